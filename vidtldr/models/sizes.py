"""Published sizes by name, with single values changed on request."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

SizeT = TypeVar("SizeT", bound=Any)


def named_size(sizes: Mapping[str, SizeT], name: str, overrides: Mapping[str, Any] | None = None) -> SizeT:
    """Look a size up by name and change single values of it.

    Args:
        sizes: Dataclass objects of one type by their names.
        name: Which of them.
        overrides: Fields that shall differ.

    Raises:
        ValueError: The name or a field is unknown; the message lists the legal ones.
    """
    if name not in sizes:
        raise ValueError(f"unknown backbone {name!r}: choose from {', '.join(sizes)}")
    legal = [field.name for field in fields(sizes[name])]
    for key in overrides or {}:
        if key not in legal:
            raise ValueError(f"{name} has no size {key!r}: it has {', '.join(legal)}")
    return replace(sizes[name], **(overrides or {}))
