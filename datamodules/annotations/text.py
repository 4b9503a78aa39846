"""Cleaning of captions before they are tokenised."""

import re

_DELETED = str.maketrans("", "", ",.'!?\"()*#:;~")
_SPACES = re.compile(r"\s{2,}")


def pre_text(caption: str) -> str:
    r"""Clean a caption or a question as the UMT evaluation does; answers of a question are never cleaned.

    >>> pre_text('It\'s a well-known "dog"!')
    'its a well known dog'

    Args:
        caption: Any text. The sentences of a paragraph are joined by one space before.

    Returns:
        Lower case text without punctuation; brackets, ``&``, ``_``, digits and non-ASCII characters stay.
    """
    caption = caption.lower().translate(_DELETED)
    caption = caption.replace("-", " ").replace("/", " ").replace("<person>", "person")
    return _SPACES.sub(" ", caption).rstrip("\n").strip(" ")
