"""From a file to its content. What a file is, is told by its first bytes and never by its name; none of it is run."""

import argparse
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from vidtldr.errors import UserError
from vidtldr.models.checkpoint.sentences import one_line, printed
from vidtldr.models.checkpoint.torchscript import is_torchscript, read_torchscript

_BEGINNING = 1024  # bytes that are looked at
# torch packs tensors as they are. An archive may be squeezed by hand, but one that holds far more than it is would fill
# the memory; the second number leaves room for the code of a small TorchScript, which is squeezed.
_MOST_TIMES, _AND_BYTES = 10, 2**26

# What is downloaded in place of weights: how it begins, what it is and what helps.
_NO_WEIGHTS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    (
        (b"version https://git-lfs.github.com/",),
        "is a pointer of Git LFS and not the file that it points to: run `git lfs pull` where it was cloned",
    ),
    (
        (b"<!doctype html", b"<html", b"<head", b"<?xml"),
        "is a web page and no weights: its download asked for a login or a confirmation, so fetch it in a browser",
    ),
    ((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"), "is a compressed archive: unpack it and name the file inside"),
    ((b"\x89HDF\r\n\x1a\n",), "is an HDF5 file of Keras, which holds no weights of PyTorch"),
)


class _Ignored:
    """Stands for whatever lies beside the weights and is of no use here; takes anything and keeps nothing."""

    def __new__(cls, *_args: object) -> "_Ignored":
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Nothing is kept."""


def _dictionary(*_args: object) -> OrderedDict[Any, Any]:
    """Stands for dictionaries with a default, which may hold weights."""
    return OrderedDict()


# Names that stand in official files and in those of timm, Lightning and many trainings, beside the tensors. A pair maps
# a name to what stands in for it, so that no code of theirs is needed or run: not even NumPy's.
_HARMLESS: list[Any] = [
    argparse.Namespace,
    (OrderedDict, "utils.easydict.EasyDict"),
    (OrderedDict, "yacs.config.CfgNode"),
    (_dictionary, "collections.defaultdict"),
    *(
        (_Ignored, name)
        for name in (
            *(f"{package}.multiarray.{name}" for package in ("numpy.core", "numpy._core") for name in
              ("scalar", "_reconstruct")),
            *(f"{package}.numeric._frombuffer" for package in ("numpy.core", "numpy._core")),
            "numpy.dtype", "numpy.ndarray",
            *(f"{module}.{kind}Path" for module in ("pathlib", "pathlib._local") for kind in
              ("", "Posix", "Windows", "Pure", "PurePosix", "PureWindows")),
            *(f"{module}.{kind}" for module in ("builtins", "__builtin__") for kind in
              ("list", "dict", "int", "float", "str", "bool", "tuple")),  # what a defaultdict makes
        )
    ),
]  # fmt: skip


def read_content(path: Path) -> object:
    """What a file holds: of safetensors and TorchScript named tensors, of ``torch.save`` anything made of plain values.

    Raises:
        UserError: The file is empty, cut short, something else, or holds what only its own code could read.
    """
    with open(path, "rb") as file:
        beginning = file.read(_BEGINNING)
    _refuse_what_is_no_weights(path, beginning)
    if is_safetensors(path) or (path.suffix == ".safetensors" and not _is_torch(beginning)):
        try:
            return load_file(path)
        except Exception as error:  # besides SafetensorError, what torch makes of sizes that contradict each other
            raise UserError(f"checkpoint '{path}' is not a whole safetensors file ({one_line(error)})") from error
    _refuse_what_would_fill_the_memory(path)
    if is_torchscript(path):
        return _read_archive(path)
    return _torch_load(path)


def read_metadata(path: Path) -> dict[str, str]:
    """The texts that a safetensors file holds beside its tensors; none of any other file."""
    if not is_safetensors(path):
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except Exception:  # a damaged file, which reading its tensors will name
        return {}


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: with the length of a JSON object, and that object."""
    with open(path, "rb") as file:
        return _begins_with_a_header(file, path.stat().st_size)


def _begins_with_a_header(file: BinaryIO, size: int) -> bool:
    beginning = file.read(9)
    return len(beginning) == 9 and beginning[8:] == b"{" and int.from_bytes(beginning[:8], "little") <= size - 8


def _is_torch(beginning: bytes) -> bool:
    """Whether a file begins as those of ``torch.save``: an archive, or the pickles of old."""
    return beginning.startswith((b"PK\x03\x04", b"\x80\x02\x8a\x0a"))


def _refuse_what_is_no_weights(path: Path, beginning: bytes) -> None:
    if not beginning:
        raise UserError(f"checkpoint '{path}' is empty (0 bytes): its download failed, fetch it again")
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")
    for beginnings, sentence in _NO_WEIGHTS:
        if beginning.startswith(beginnings) or text.lower().startswith(beginnings):
            raise UserError(f"checkpoint '{path}' {sentence}")


def _refuse_what_would_fill_the_memory(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except Exception:  # no archive or a damaged one, which reading it will name
        return
    packed = path.stat().st_size
    if unpacked > _MOST_TIMES * packed + _AND_BYTES:
        raise UserError(
            f"checkpoint '{path}' is an archive of {packed:,} bytes that unpacks to {unpacked:,}, which no weights do; "
            "it was not loaded"
        )


def _read_archive(path: Path) -> object:
    try:
        return read_torchscript(path)
    except Exception as error:  # what damaged archives lead to is not one type
        raise UserError(
            f"checkpoint '{path}' is a TorchScript archive whose tensors cannot be read without running it "
            f"({one_line(error)}): take CLIP as safetensors, or save its state_dict() with torch.save"
        ) from error


def _torch_load(path: Path) -> object:
    try:
        # Opened here, because torch goes by the name of a file that it opens.
        with torch.serialization.safe_globals(_HARMLESS), open(path, "rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "Unsupported global" in reason or "GLOBAL" in reason:
            name = printed(reason.partition("GLOBAL ")[2].split(" ")[0]) or "an unknown class"
            raise UserError(
                f"checkpoint '{path}' holds '{name}', which is neither a tensor nor known options; it was not loaded, "
                "because reading it could run code"
            ) from error
        raise UserError(f"checkpoint '{path}' is not a file that torch.save wrote") from error
    except Exception as error:  # what torch raises on damaged files is not one type
        raise UserError(f"checkpoint '{path}' is cut short or damaged ({one_line(error)})") from error
