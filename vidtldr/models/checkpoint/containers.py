"""What training code wraps weights in: dictionaries around them, prefixes before their names.

Everything here is harmless and says nothing about the model, so it is taken off; what is left is the model's own.
"""

import logging
from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor

from vidtldr.errors import UserError
from vidtldr.models.checkpoint.sentences import first_few

_log = logging.getLogger(__name__)

StateDict = dict[str, Tensor]

Choice = Literal["plain", "ema"]
"""Which weights of a file that has both: those that were trained, or their exponential moving average."""

_CONTAINERS: dict[Choice, tuple[str, ...]] = {
    "plain": ("model", "module", "state_dict", "model_state_dict", "net", "weights", "params"),
    "ema": ("model_ema", "ema", "state_dict_ema", "ema_state_dict", "params_ema"),
}
_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""Modules that torch puts around others (compile, FSDP, gradient checkpointing); they have no weights of their own."""
_DEEPEST = 4  # containers inside each other; a hostile file may hold itself


def open_containers(content: object, choice: Choice, source: str) -> StateDict:
    """The named tensors of a file, out of the dictionaries that hold them and without the prefixes of wrappers.

    Args:
        content: What was read.
        choice: Which weights are wanted, where there are two.
        source: The file, for messages.

    Raises:
        UserError: It holds something other than named tensors, or no averaged weights where they are wanted.
    """
    for _ in range(_DEEPEST):
        name = _container(content, choice, source) if isinstance(content, Mapping) else None
        if name is None:
            break
        content = content[name]  # type: ignore[index]  # a Mapping, or there would be no name
        if name in _CONTAINERS["ema"]:
            choice = "plain"  # is found; inside are no further ones
    if choice == "ema":
        raise UserError(f"checkpoint '{source}' holds no averaged weights (none of {', '.join(_CONTAINERS['ema'])})")
    return strip_prefixes(_only_tensors(content, source))


def strip_prefixes(state: Mapping[str, Tensor]) -> StateDict:
    """Names without what DistributedDataParallel, ``torch.compile`` and Lightning put before them, in any order.

    Lightning stores a whole task: of that, the entries of its ``model``.
    """
    names = {key: ".".join(part for part in key.split(".") if part not in _WRAPPERS) for key in state}
    if len(set(names.values())) == len(names):
        state = {names[key]: value for key, value in state.items()}
    while state:
        if all(key.startswith("module.") for key in state):
            state = {key.removeprefix("module."): value for key, value in state.items()}
        elif any(key.startswith("model.") for key in state):
            state = {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
        else:
            break
    return dict(state)


def _container(content: Mapping[Any, object], choice: Choice, source: str) -> str | None:
    """The name under which the wanted weights lie, and a word on others that lie there too; None where none do."""
    found = {
        kind: [name for name in names if _may_hold_weights(content.get(name))] for kind, names in _CONTAINERS.items()
    }
    if choice == "ema" and found["ema"]:
        return found["ema"][0]
    if not any(found.values()):
        return None
    name, *others = found["plain"] or found["ema"]
    if name in _CONTAINERS["ema"]:
        _log.warning("%s holds averaged weights alone: '%s' is taken", source, name)
    elif found["ema"] and choice == "plain":
        _log.warning(
            "%s holds two sets of weights: '%s' is taken; --model.weights ema takes the averaged ones, '%s'",
            source, name, found["ema"][0],
        )  # fmt: skip
    for other in others:
        if any(isinstance(value, Tensor) for value in cast(Mapping[Any, object], content[other]).values()):
            _log.warning("%s holds '%s' beside '%s': it is not read", source, other, name)
    return name


def _may_hold_weights(value: object) -> bool:
    """Whether something is a dictionary of tensors or of further ones; options of a ``model`` are neither."""
    return isinstance(value, Mapping) and any(isinstance(entry, (Tensor, Mapping)) for entry in value.values())


def _only_tensors(content: object, source: str) -> StateDict:
    if not isinstance(content, Mapping):
        raise UserError(f"checkpoint '{source}' holds a {type(content).__name__} instead of named tensors")
    alien = [str(key) for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if alien or not content:
        held = f"entries that are no tensors ({first_few(alien)})" if alien else "no entries"
        raise UserError(f"checkpoint '{source}' holds {held} instead of named tensors")
    odd = [key for key, value in content.items() if not _is_plain(value)]
    if odd:
        raise UserError(
            f"checkpoint '{source}' holds tensors that are sparse, quantised or repeat themselves ({first_few(odd)})"
        )
    return dict(content)


def _is_plain(value: Tensor) -> bool:
    """Whether a tensor holds its numbers one by one, as weights do.

    One that repeats a few numbers is as large as it says only when it is copied, and may then fill the memory.
    """
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()
