"""What ``--help`` tells of a method: a summary and its options, read off its dataclass and docstring."""

import inspect
import re
from dataclasses import MISSING, dataclass
from typing import Any

from vidtldr.merging.method import Method, options_of

_SECTION = re.compile(r"^(?:Attributes|Args):\n((?:(?: {4}.*)?\n)*)", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")  # :class:`~package.Class`


@dataclass(frozen=True)
class OptionHelp:
    """An option of a method.

    Attributes:
        name: As configs spell it.
        type: Of its values, as Python writes it.
        default: What it is if it is not given; None also where it has to be given, see ``required``.
        help: What it does.
        required: Whether it has no default.
    """

    name: str
    type: str
    default: Any
    help: str
    required: bool = False


@dataclass(frozen=True)
class MethodHelp:
    """A method.

    Attributes:
        name: As configs spell it.
        summary: What it is, in a line.
        options: What can be set.
    """

    name: str
    summary: str
    options: list[OptionHelp]


def describe(method: type[Method]) -> MethodHelp:
    """The help of a method; what its docstring does not say of an option, that of a class it is derived from does."""
    told: dict[str, str] = {}
    for ancestor in reversed(method.__mro__):
        told |= _attributes(ancestor.__doc__ or "")
    options = [
        OptionHelp(
            option.name,
            _type_name(option.type),
            None if option.default is MISSING else option.default,
            told.get(option.name, ""),
            required=option.default is MISSING,
        )
        for option in options_of(method)
    ]
    return MethodHelp(method.name, _flat((inspect.getdoc(method) or "").partition("\n\n")[0]), options)


def _attributes(docstring: str) -> dict[str, str]:
    sections = _SECTION.findall(inspect.cleandoc(docstring) + "\n")
    return {name: _flat(text) for section in sections for name, text in _ENTRY.findall(section)}


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", str(annotation))  # without the names of modules


def _flat(text: str) -> str:
    return _ROLE.sub(r"\1", " ".join(text.split())).replace("``", "")
