"""The pickled copy of MSVD's captions, read without running code from it."""

import io
import pickle
from pathlib import Path
from typing import Any, ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_formats.format import RetrievalFormat
from datamodules.annotations.retrieval_formats.msvd_captions import of_split
from datamodules.annotations.text_files import is_text, shown

_STARTS = (b"\x80", b"(dp", b"(lp", b"}q", b"]q", b"c__", b"cbuiltins", b"cos\n", b"cposix\n")
"""How a pickle of any protocol begins."""
_ADMITTED = {"dict", "list", "tuple", "set", "frozenset", "str"}


class MSVDPickle(RetrievalFormat):
    """Captions as texts or as lists of tokens."""

    name: ClassVar = "MSVD pickle"
    shape: ClassVar = "clip id -> list of token lists, with <split>_list.txt beside it"

    def recognises(self, content: Content) -> bool:
        """By its first bytes."""
        return content.raw.startswith(_STARTS)

    def read(self, content: Content) -> RetrievalRecords:
        """Captions of each clip of the split; refuses anything but builtin containers and texts."""
        path, loaded = content.path, _load_builtins(content)
        if not isinstance(loaded, dict) or not all(isinstance(items, (list, tuple)) for items in loaded.values()):
            raise ValueError(f"{path}: expected a dict of clip id -> list of captions, found a {type(loaded).__name__}")
        captions = {_text(path, clip): [_caption(path, item) for item in items] for clip, items in loaded.items()}
        return of_split(content, captions)


class _BuiltinsUnpickler(pickle._Unpickler):
    """A pickle may call any function it names; this one may name the builtin containers and nothing else.

    The slower unpickler, written in Python: that in C takes memory for as many objects as a damaged file says it holds.
    """

    def find_class(self, module: str, name: str) -> Any:
        if module == "builtins" and name in _ADMITTED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _load_builtins(content: Content) -> Any:
    try:
        return _BuiltinsUnpickler(io.BytesIO(content.raw), encoding="utf-8").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        reason = shown(str(error))
        raise ValueError(f"{content.path}: refused, only a pickle of lists and texts is read ({reason})") from error


def _caption(path: Path, item: Any) -> str:
    return " ".join(_text(path, token) for token in item) if isinstance(item, (list, tuple)) else _text(path, item)


def _text(path: Path, value: Any) -> str:
    if not is_text(value):
        raise ValueError(f"{path}: expected texts, found a {type(value).__name__}: {shown(value)}")
    return str(value)
