"""Records of a JSON annotation and their fields, checked where they enter."""

from typing import Any

from datamodules.annotations.text_files import is_text, shown, shown_names


def json_object(place: str, record: Any, *keys: str) -> dict[str, Any]:
    """A record that must be an object.

    Args:
        place: File and record, for the error.
        record: The record.
        keys: Fields to tell the user of if it is none; that they are there is not checked.

    Raises:
        ValueError: The record is anything else.
    """
    if not isinstance(record, dict):
        expected = " and ".join(map(repr, keys))
        raise ValueError(f"{place}: is a {type(record).__name__}, expected an object with {expected}")
    return record


def strings(place: str, record: dict[str, Any], key: str, *, blank: bool = False) -> list[str]:
    """The texts of a field that holds one text or a list of texts.

    Args:
        place: File and record, for the error.
        record: The record.
        key: Name of the field.
        blank: Whether some, but not all, of the texts may be nothing but spaces.

    Raises:
        ValueError: The field is not there or holds anything else.
    """
    if key not in record:
        raise ValueError(f"{place}: key {key!r} is missing; it has {shown_names(record)}")
    value = record[key]
    texts = value if isinstance(value, list) else [value]
    enough = any if blank else all
    if not texts or not all(map(is_text, texts)) or not enough(text.strip() for text in texts):
        raise ValueError(f"{place}: key {key!r} must be a text or a list of texts, not {shown(value)}")
    return texts
