"""Paths as another machine wrote them: with the separators of Windows, or absolute."""

import os
import re
from collections.abc import Iterable

_DRIVE = re.compile(r"[A-Za-z]:/")


def with_slashes(path: str) -> str:
    """The path with slashes where Windows writes backslashes."""
    return path.replace("\\", "/")


def is_absolute(path: str) -> bool:
    """Whether a path with slashes is absolute on this system or on Windows."""
    return os.path.isabs(path) or _DRIVE.match(path) is not None


def tail_parts(path: str) -> list[str]:
    """Folders and name of a path with slashes, without the drive."""
    return [part for part in _DRIVE.sub("", path).split("/") if part not in ("", ".")]


def tolerated_paths(names: Iterable[str]) -> list[str]:
    """What a log says of the names of an annotation."""
    return ["Windows separators"] if any("\\" in name for name in names) else []


def described(name: str, tolerated: list[str]) -> str:
    """The name of a format, and what was met in the file beside it."""
    return f"{name} with {' and '.join(tolerated)}" if tolerated else name
