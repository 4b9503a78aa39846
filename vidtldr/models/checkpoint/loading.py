"""Loading entries into a model so that nothing is left out in silence, and writing them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from vidtldr.errors import UserError
from vidtldr.models.checkpoint.containers import StateDict
from vidtldr.models.checkpoint.found import Source
from vidtldr.models.checkpoint.sentences import first_few, one_line
from vidtldr.models.tubelet import VideoTransformer
from vidtldr.storage.atomic_files import write_atomically


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the entries of a model as safetensors, under its own names, and what clips its positions were made for.

    Raises:
        UserError: The file cannot be written; a former one is as it was.
    """
    entries = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    encoder = next((module for module in model.modules() if isinstance(module, VideoTransformer)), None)
    clip = encoder.trained_clip if encoder else {}
    write_atomically(path, save(entries, {key: str(value) for key, value in clip.items()} or None))


@contextmanager
def named_in_errors(path: Source) -> Iterator[None]:
    """Errors about the content of a file become one sentence that names the file.

    Raises:
        UserError: As raised inside, with the name, or in place of what torch raises where entries have shapes or types
            that cannot be joined.
    """
    try:
        yield
    except UserError as error:
        if f"'{path}'" in str(error):
            raise
        raise UserError(f"checkpoint '{path}': {error}") from error
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        raise UserError(f"checkpoint '{path}' does not fit this model ({one_line(error)})") from error


def join_attention_bias(state: StateDict) -> StateDict:
    """Turn ``q_bias``, ``v_bias`` and, where there is one, ``k_bias`` of a block into one bias of its joint projection.

    UMT and VideoMAE store their blocks so, and have no bias of the keys, for which zeros stand. States without such
    entries pass through unchanged.

    Raises:
        UserError: A block has the first but not the second; without the name of the file, for which see
            :func:`named_in_errors`.
    """
    joined = dict(state)
    for key in [key for key in state if key.endswith(".attn.q_bias")]:
        block = key.removesuffix("q_bias")
        if block + "v_bias" not in state:
            raise UserError(f"it has {key} but no {block}v_bias")
        query, value = joined.pop(key), joined.pop(block + "v_bias")
        keys = joined.pop(block + "k_bias", torch.zeros_like(query))
        joined[block + "qkv.bias"] = torch.cat([query, keys, value])
    return joined


def load_exactly(model: nn.Module, state: Mapping[str, Tensor], source: Source) -> None:
    """Load ``state`` into ``model``, every key of the one meeting a parameter or buffer of the other.

    Args:
        model: What to fill.
        state: Converted to the model's own names.
        source: The checkpoint, for the message.

    Raises:
        UserError: Entries are missing, left over, of another shape or type, or not finite; the first of each kind are
            named.
    """
    own = model.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    misshapen = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({first_few(keys)})"
        for what, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", misshapen),
            ("of another type", [key for key in own if key in state and _mistyped(own[key], state[key])]),
            ("not finite", [key for key in own if key in state and not state[key].isfinite().all()]),
        )
        if keys
    ]
    if problems:
        raise UserError(f"checkpoint '{source}' does not fit this model: {'; '.join(problems)}")
    with named_in_errors(source):
        model.load_state_dict(state)


def _mistyped(own: Tensor, stored: Tensor) -> bool:
    """Whether numbers would be read as of another kind: quantised or complex ones as weights, weights as counters."""
    return own.is_floating_point() != stored.is_floating_point()
