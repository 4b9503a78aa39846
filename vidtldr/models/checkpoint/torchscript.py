"""Tensors of a TorchScript archive, while its code is neither compiled nor run.

OpenAI publishes CLIP as such archives. Loading one the usual way compiles the code in it, and reading the file with
``weights_only=True`` is refused. The tensors lie beside a pickle that names them; here that pickle is read with classes
that hold attributes and do nothing.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

_DTYPES = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "BoolStorage": torch.bool,
}


def is_torchscript(path: str | Path) -> bool:
    """Whether a file is an archive that ``torch.jit.save`` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(PurePosixPath(name).name == "constants.pkl" for name in archive.namelist())
    except Exception:  # a damaged list of contents leads to errors of many types; reading the file will name them
        return False


def read_torchscript(path: str | Path) -> dict[str, Tensor]:
    """Collect the tensors of all modules of an archive by their names.

    Raises:
        pickle.UnpicklingError: The pickle names something other than modules and tensors. A damaged archive leads to
            errors of other types as well.
    """
    with zipfile.ZipFile(path) as archive:
        pickled = next(name for name in archive.namelist() if PurePosixPath(name).name == "data.pkl")
        with archive.open(pickled) as file:
            reader = _ModuleReader(file, lambda key: archive.read(str(PurePosixPath(pickled).parent / "data" / key)))
            root = reader.load()
        return dict(_named_tensors(root, reader.module_class))


class _ModuleReader(pickle.Unpickler):
    """Knows modules, tensors and lists, by classes and functions of its own; refuses every other name."""

    def __init__(self, file: Any, read_record: Callable[[str], bytes]) -> None:
        super().__init__(file)
        self._read_record = read_record
        # New for each file, so that a file that meddles with its classes meddles with nothing else.
        self.module_class = type("Module", (), {})

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "__torch__":
            return self.module_class
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, stride, *_: _copy(storage.as_strided(shape, stride, offset))
        if module == "torch.jit._pickle":
            return lambda data, *_: data  # lists and tuples of one type
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, *_ = pid  # ("storage", type, key, device, size)
        return torch.frombuffer(bytearray(self._read_record(key)), dtype=dtype)


def _copy(view: Tensor) -> Tensor:
    """The numbers of a storage that a tensor looks at; refused where it repeats them, and its copy would be larger."""
    if view.numel() * view.element_size() > view.untyped_storage().nbytes():
        raise pickle.UnpicklingError("it holds tensors that repeat themselves")
    return view.clone()


def _named_tensors(module: Any, module_class: type, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, module_class):
            yield from _named_tensors(value, module_class, f"{prefix}{name}.")
