"""MSVD captions in the files of the original release and of its pickled copy."""

import io
import pickle
import re
from pathlib import Path
from typing import Any

from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.text_files import is_text, read_utf8, shown, shown_names, split_lines

_PICKLE_STARTS = (b"\x80", b"(dp", b"(lp", b"}q", b"]q", b"c__", b"cbuiltins", b"cos\n", b"cposix\n")
_ADMITTED = {"dict", "list", "tuple", "set", "frozenset", "str"}


def looks_like_pickle(content: bytes) -> bool:
    """Whether a file begins as a pickle of any protocol does."""
    return content.startswith(_PICKLE_STARTS)


def caption_lines(path: Path, text: str, line_pattern: re.Pattern[str]) -> dict[str, list[str]]:
    """Captions of each clip, clips in order of first appearance; ``#`` begins a comment line.

    Raises:
        ValueError: A line does not match.
    """
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(split_lines(text), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = line_pattern.fullmatch(line)
        if not match:
            raise ValueError(f"{path}, line {number}: expected a clip and its sentence, found {shown(line)}")
        captions.setdefault(match[1], []).append(match[2].strip())
    return captions


def read_all_descriptions(path: Path, captions: dict[str, list[str]], split: str) -> RetrievalRecords:
    """The clips of one split out of the captions of all."""
    return RetrievalRecords.from_captions(_split_captions(path, captions, split))


def read_caption_pickle(path: Path, content: bytes, split: str) -> RetrievalRecords:
    """The clips of one split out of a pickled ``clip id -> list of token lists``.

    Raises:
        ValueError: The pickle holds anything but builtin containers and texts, or another shape.
    """
    loaded = _load_builtins(path, content)
    if not isinstance(loaded, dict) or not all(isinstance(items, (list, tuple)) for items in loaded.values()):
        raise ValueError(f"{path}: expected a dict of clip id -> list of captions, found a {type(loaded).__name__}")
    captions = {_text(path, clip): [_caption(path, item) for item in items] for clip, items in loaded.items()}
    return RetrievalRecords.from_captions(_split_captions(path, captions, split))


def _split_captions(path: Path, captions: dict[str, list[str]], split: str) -> list[tuple[str, list[str]]]:
    list_file = path.parent / f"{split}_list.txt"
    if not list_file.is_file():
        raise FileNotFoundError(f"{path} holds all splits of MSVD: {list_file}, one clip id a line, must lie beside it")
    clips = [line.strip() for line in split_lines(read_utf8(list_file)) if line.strip()]
    unknown = [clip for clip in clips if clip not in captions]
    if unknown:
        raise ValueError(f"{path} has no caption for {len(unknown)} clips of {list_file}: {shown_names(unknown)}")
    return [(clip, captions[clip]) for clip in dict.fromkeys(clips)]


class _BuiltinsUnpickler(pickle._Unpickler):
    """A pickle may call any function it names; this one may name the builtin containers and nothing else.

    The slower unpickler, written in Python: that in C takes memory for as many objects as a damaged file says it holds.
    """

    def find_class(self, module: str, name: str) -> Any:
        if module == "builtins" and name in _ADMITTED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _load_builtins(path: Path, content: bytes) -> Any:
    try:
        return _BuiltinsUnpickler(io.BytesIO(content), encoding="utf-8").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"{path}: refused, only a pickle of lists and texts is read ({shown(str(error))})") from error


def _caption(path: Path, item: Any) -> str:
    return " ".join(_text(path, token) for token in item) if isinstance(item, (list, tuple)) else _text(path, item)


def _text(path: Path, value: Any) -> str:
    if not is_text(value):
        raise ValueError(f"{path}: expected texts, found a {type(value).__name__}: {shown(value)}")
    return str(value)
