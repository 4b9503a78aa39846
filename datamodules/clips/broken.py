"""What all readers of videos raise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class BrokenVideoError(ValueError):
    """A video that is present but cannot be decoded; the message is one sentence that begins with the file."""


@contextmanager
def failures_as_broken(
    path: str | Path,
    reason: Callable[[Exception], str] = str,
    kinds: tuple[type[Exception], ...] = (Exception,),
) -> Iterator[None]:
    """A block in which what a library raises says that a video is broken.

    Args:
        path: The video.
        reason: What an error means to the owner of the file; its first line is shown, or if empty the error's type.
        kinds: Errors that a broken video may cause.

    Raises:
        BrokenVideoError: In place of one of these.
    """
    try:
        yield
    except BrokenVideoError:
        raise
    except kinds as error:
        lines = reason(error).strip().splitlines() or [type(error).__name__]
        raise BrokenVideoError(f"{path}: cannot be read as a video ({lines[0].strip().rstrip('.')})") from error
