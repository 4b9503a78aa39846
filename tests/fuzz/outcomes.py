"""What a damaged file may lead to."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONGEST_MESSAGE = 1500
"""Characters; the longest of ours list the accepted formats."""

SECONDS = 10
"""For one file; none needs more than a fraction of a second."""


class TooSlowError(BaseException):
    """Not an ``Exception``, which the code under test could take for one of its own."""


@contextmanager
def time_limit(case: str) -> Iterator[None]:
    """End a case that takes too long; the timer of the whole test, which is the same one, goes on afterwards."""

    def end(*_: Any) -> None:
        raise TooSlowError(f"{case} took more than {SECONDS} s")

    previous = signal.signal(signal.SIGALRM, end)
    started = time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 0.001))


def outcome(case: str, act: Callable[[], Any], errors: Iterable[type[Exception]], names: Iterable[str]) -> Any:
    """The value of ``act``, or None if it raised what it declares.

    Args:
        case: What to call it where it fails the test.
        act: Reads the damaged file.
        errors: Types that the reader declares; their subclasses are not declared.
        names: Files of which the message must name one.
    """
    try:
        with time_limit(case):
            return act()
    except Exception as error:
        complaint = complaint_about(str(error), names) if type(error) in tuple(errors) else "an undeclared error"
        if complaint is not None:
            raise AssertionError(f"{case}: {complaint}: {type(error).__name__}: {str(error)[:300]!r}") from error
        return None


def complaint_about(message: str, names: Iterable[str]) -> str | None:
    """What is wrong with a message to the user, if anything."""
    if len(message.splitlines()) != 1:
        return "the message is not one line"
    if not message.isprintable():
        return "the message holds unprintable characters"
    if len(message) > LONGEST_MESSAGE:
        return f"the message has {len(message)} characters"
    if not any(name in message for name in names):
        return "the message names no file"
    return None


def names_in(folder: Path) -> list[str]:
    """Paths of the files in a folder."""
    return [str(path) for path in folder.iterdir()]
