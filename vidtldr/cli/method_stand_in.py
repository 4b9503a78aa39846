"""What ``--help`` tells of each method, read off its dataclass and docstrings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from inspect import cleandoc
from typing import Any

from docstring_parser import parse

from vidtldr.merging.registry import METHODS

_MARKUP = re.compile(r":\w+:`~?(?:\w+\.)*(\w+)`|``([^`]*)``")


@dataclass(frozen=True)
class OptionHelp:
    """An option of a method: its name, the type of its values, its default and what it does."""

    name: str
    type: str
    default: Any
    help: str


@dataclass(frozen=True)
class MethodHelp:
    """A method: its name, what it is, in a line, and what can be set."""

    name: str
    summary: str
    options: Sequence[OptionHelp]


def describe_methods() -> list[MethodHelp]:
    """What ``--help`` tells of each method."""
    described = []
    for name, method in METHODS.items():
        texts: dict[str, str] = {}
        for ancestor in method.__mro__:  # "see Method" says less than Method
            texts |= {told.arg_name: _flat(told.description) for told in parse(cleandoc(ancestor.__doc__ or "")).params}
        options = [
            OptionHelp(field.name, _type_name(field.type), field.default, texts.get(field.name, ""))
            for field in (fields(method) if name != "base" else ())
        ]
        described.append(MethodHelp(name, _flat(parse(cleandoc(method.__doc__ or "")).short_description), options))
    return described


def _flat(text: str | None) -> str:
    return _MARKUP.sub(lambda match: match[1] or match[2], " ".join((text or "").split()))


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", str(annotation))  # without the names of modules
