"""Text files of others: how they are decoded and parsed, and how their content is quoted in messages."""

import json
import reprlib
from pathlib import Path
from typing import Any

_LONGEST_QUOTE = 60


def read_utf8(path: Path) -> str:
    """Text of a file, without a byte order mark.

    Raises:
        ValueError: It is no UTF-8 text.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start})") from error


def split_lines(text: str) -> list[str]:
    """Lines ended as Unix, Windows or the old Mac does; ``str.splitlines`` would also cut at rarer separators.

    A carriage return alone ends a line only where nothing else does: among other ends it is a part of a caption.
    """
    return text.replace("\r\n", "\n").split("\n") if "\n" in text else text.split("\r")


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        ValueError: It is not valid.
    """
    text = read_utf8(path)
    try:
        return json_value(text)
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def json_value(text: str) -> Any:
    """What a JSON text stands for.

    Raises:
        ValueError: It is not valid, or an object has a key twice, of which one would be lost in silence. The message
            names no file.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def shown(value: Any) -> str:
    """A value as a message quotes it: on one line and short, whatever it is."""
    quote = _SHORT.repr(value)
    return quote if len(quote) <= _LONGEST_QUOTE + 2 else quote[: _LONGEST_QUOTE - 1] + "..."


def shown_names(names: Any, most: int = 5) -> str:
    """The first of many names, quoted and parted by commas; "none" if there are none."""
    names = list(names)
    return ", ".join(map(shown, names[:most])) + (", ..." if len(names) > most else "") or "none"


def is_text(value: Any) -> bool:
    """Whether a value is a text that can be written to a file; one with half a surrogate pair cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {shown(repeated)} twice")
    return content


_SHORT = reprlib.Repr()  # unlike repr it neither recurses nor grows without end
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST_QUOTE
