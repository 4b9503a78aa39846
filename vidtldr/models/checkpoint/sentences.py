"""Names and errors of others, short and printable enough for a sentence."""

from collections.abc import Iterable

_LONGEST_REASON = 200  # characters of what another library says
_LONGEST_NAME = 100


def one_line(error: Exception) -> str:
    """The first line of an error of another library, short and printable."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = "".join(letter if letter.isprintable() else "?" for letter in lines[0].strip().rstrip("."))
    return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + "..."


def first_few(names: Iterable[str], count: int = 3) -> str:
    """The first of some names, and dots if there are more."""
    names = list(names)
    return ", ".join(map(printed, names[:count])) + (", ..." if len(names) > count else "")


def printed(name: str) -> str:
    """A name as it is if it is sound, else quoted; short in any case."""
    name = name if name.isprintable() else repr(name)
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."
