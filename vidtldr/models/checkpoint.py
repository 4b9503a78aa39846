"""Reading weight files safely, and loading them so that nothing is left out in silence."""

import argparse
import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from vidtldr.errors import UserError
from vidtldr.storage.atomic_files import write_atomically

StateDict = dict[str, Tensor]

# What official files hold beside tensors: options of the run (VideoMAE, UMT, ViFi-CLIP). A pair maps the name in the
# file to a class that stands in for it, so that no code of theirs is needed or run.
_HARMLESS: list[Any] = [
    argparse.Namespace,
    (OrderedDict, "utils.easydict.EasyDict"),
    (OrderedDict, "yacs.config.CfgNode"),
]
_WRAPPERS = ("model", "module", "state_dict")
_LONGEST_REASON = 200  # characters of what another library says
_LONGEST_NAME = 100


def read_state_dict(path: str | Path) -> StateDict:
    """Read a ``.safetensors`` file or a ``torch.save`` file, without ever running code from it.

    Wrappers of training code (``{"model": ...}``, ``{"module": ...}``, Lightning's ``{"state_dict": ...}``) are opened.

    Raises:
        UserError: The file is missing, cut short, not a checkpoint, or holds objects other than tensors and options.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise UserError(f"checkpoint '{path}' is a folder; name the file with the weights inside it")
    if not path.is_file():
        raise UserError(f"checkpoint '{path}' does not exist")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except Exception as error:  # besides SafetensorError, whatever torch makes of sizes that contradict each other
            raise UserError(f"checkpoint '{path}' is not a whole safetensors file ({one_line(error)})") from error
    return _unwrap(_torch_load(path), path)


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the entries of a model as safetensors, under its own names.

    Raises:
        UserError: The file cannot be written; a former one is as it was.
    """
    write_atomically(path, save({key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}))


@contextmanager
def named_in_errors(path: str | Path) -> Iterator[None]:
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


def one_line(error: Exception) -> str:
    """The first line of an error of another library, short and printable."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = "".join(letter if letter.isprintable() else "?" for letter in lines[0].strip().rstrip("."))
    return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + "..."


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def strip_task_prefix(state: Mapping[str, Tensor]) -> StateDict:
    """The model's entries of a Lightning checkpoint of one of the tasks; any other state as it is."""
    own = {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
    return own or dict(state)


def join_attention_bias(state: StateDict) -> StateDict:
    """Turn ``q_bias`` and ``v_bias`` of each block into one bias of its joint projection, with zeros for the keys.

    UMT and VideoMAE store their blocks so. States without such entries pass through unchanged.

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
        joined[block + "qkv.bias"] = torch.cat([query, torch.zeros_like(query), value])
    return joined


def load_exactly(model: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load ``state`` into ``model``, every key of the one meeting a parameter or buffer of the other.

    Args:
        model: What to fill.
        state: Converted to the model's own names.
        source: The file, for the message.

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
        f"{len(keys)} {what} ({_first(keys)})"
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


def _first(keys: Iterable[str], count: int = 3) -> str:
    keys = list(keys)
    return ", ".join(map(_printed, keys[:count])) + (", ..." if len(keys) > count else "")


def _printed(key: str) -> str:
    """A name as it is if it is sound, else quoted; short in any case."""
    key = key if key.isprintable() else repr(key)
    return key if len(key) <= _LONGEST_NAME else key[:_LONGEST_NAME] + "..."


def _torch_load(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "Unsupported global" in reason or "GLOBAL" in reason:
            name = _printed(reason.partition("GLOBAL ")[2].split(" ")[0]) or "an unknown class"
            raise UserError(
                f"checkpoint '{path}' holds '{name}', which is neither a tensor nor known options; it was not loaded, "
                "because reading it could run code"
            ) from error
        raise UserError(f"checkpoint '{path}' is not a file that torch.save wrote") from error
    except Exception as error:  # what torch raises on damaged files is not one type
        raise UserError(f"checkpoint '{path}' is cut short or damaged ({one_line(error)})") from error


def _unwrap(content: object, path: Path) -> StateDict:
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping):
        raise UserError(f"checkpoint '{path}' holds a {type(content).__name__} instead of named tensors")
    alien = [str(key) for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if alien or not content:
        held = f"entries that are no tensors ({_first(alien)})" if alien else "no entries"
        raise UserError(f"checkpoint '{path}' holds {held} instead of named tensors")
    odd = [key for key, value in content.items() if not _is_plain(value)]
    if odd:
        raise UserError(
            f"checkpoint '{path}' holds tensors that are sparse, quantised or repeat themselves ({_first(odd)})"
        )
    return dict(content)


def _is_plain(value: Tensor) -> bool:
    """Whether a tensor holds its numbers one by one, as weights do.

    One that repeats a few numbers is as large as it says only when it is copied, and may then fill the memory.
    """
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()
