"""The one exception whose message is meant for the person at the keyboard, and what helps to word it."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user can mend, said in one sentence; the command line prints it and exits with code 2."""


def on_one_line(said: object) -> str:
    r"""The text of an error or a warning with its line breaks and runs of blanks replaced by single blanks.

    >>> on_one_line(ValueError("two\n  lines"))
    'two lines'
    """
    return " ".join(str(said).split())


def did_you_mean(word: str, legal: Iterable[str]) -> str:
    """What to add to a sentence about a word that is none of the legal ones; empty if none is close.

    >>> did_you_mean("tom", ["base", "tome"])
    ' (did you mean tome?)'
    """
    close = difflib.get_close_matches(word, list(legal), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
