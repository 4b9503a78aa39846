"""Reading weight files safely, and loading them so that nothing is left out in silence."""

import argparse
import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vidtldr.errors import UserError

StateDict = dict[str, Tensor]

# What official files hold beside tensors: options of the run (VideoMAE, UMT, ViFi-CLIP). A pair maps the name in the
# file to a class that stands in for it, so that no code of theirs is needed or run.
_HARMLESS: list[Any] = [
    argparse.Namespace,
    (OrderedDict, "utils.easydict.EasyDict"),
    (OrderedDict, "yacs.config.CfgNode"),
]
_WRAPPERS = ("model", "module", "state_dict")


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
        except SafetensorError as error:
            raise UserError(f"checkpoint '{path}' is not a whole safetensors file ({error})") from error
    return _unwrap(_torch_load(path), path)


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the entries of a model as safetensors, under its own names."""
    save_file({key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}, path)


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
        UserError: A block has the first but not the second.
    """
    joined = dict(state)
    for key in [key for key in state if key.endswith(".attn.q_bias")]:
        block = key.removesuffix("q_bias")
        if block + "v_bias" not in state:
            raise UserError(f"the checkpoint has {key} but no {block}v_bias")
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
        UserError: Entries are missing, left over or of another shape; the first of each kind are named.
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
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
        if keys
    ]
    if problems:
        raise UserError(f"checkpoint '{source}' does not fit this model: {'; '.join(problems)}")
    model.load_state_dict(state)


def _first(keys: Iterable[str], count: int = 3) -> str:
    keys = list(keys)
    return ", ".join(keys[:count]) + (", ..." if len(keys) > count else "")


def _torch_load(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "Unsupported global" in reason or "GLOBAL" in reason:
            name = reason.partition("GLOBAL ")[2].split(" ")[0] or "an unknown class"
            raise UserError(
                f"checkpoint '{path}' holds '{name}', which is neither a tensor nor known options; it was not loaded, "
                "because reading it could run code"
            ) from error
        raise UserError(f"checkpoint '{path}' is not a file that torch.save wrote") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        # What torch raises on damaged files is not one type.
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"checkpoint '{path}' is cut short or damaged ({first_line})") from error


def _unwrap(content: object, path: Path) -> StateDict:
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping):
        raise UserError(f"checkpoint '{path}' holds a {type(content).__name__} instead of named tensors")
    alien = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if alien or not content:
        held = f"entries that are no tensors ({_first(alien)})" if alien else "no entries"
        raise UserError(f"checkpoint '{path}' holds {held} instead of named tensors")
    return dict(content)
