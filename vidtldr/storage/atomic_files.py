"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vidtldr.errors import UserError

_SUFFIX = ".part"


@contextmanager
def replacing(path: str | Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of ``path`` when the block ends without an error.

    A reader, or whoever comes after a kill, finds the new file whole or the former one.

    Args:
        path: File to replace, readable by all; its folder exists.
        durable: Wait until the disk has it, so that it outlives a power cut; it outlives a kill in any case.

    Raises:
        UserError: It cannot be written, for instance because the disk is full; the former file is as it was.
    """
    path = Path(path)
    try:
        # In the same folder: a rename is atomic within one file system only.
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".", suffix=_SUFFIX, delete=False) as file:
            temporary = Path(file.name)
            try:
                yield file  # type: ignore[misc]  # its wrapper is no BinaryIO to mypy
                file.flush()
                if durable:
                    os.fsync(file.fileno())  # else a power cut may keep the name and lose the content
                temporary.chmod(0o644)  # a temporary file is private, a result is not
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot write {path}: {reason}; free space or give another --output") from error


def write_atomically(path: str | Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file as :func:`replacing` does.

    Args:
        path: File to write; its folder exists.
        content: Text is written in UTF-8, line ends as they are. Lone surrogates, which stand for the bytes of file
            names that are not UTF-8, become backslash escapes, which are those of JSON.
        durable: As of :func:`replacing`.

    Raises:
        UserError: As of :func:`replacing`.
    """
    with replacing(path, durable=durable) as file:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


def remove_rests(folder: str | Path) -> None:
    """Remove what killed processes had begun to write into a folder; nobody else may be writing there."""
    for rest in Path(folder).glob(f".*{_SUFFIX}"):
        rest.unlink(missing_ok=True)
