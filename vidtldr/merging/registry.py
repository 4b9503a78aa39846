"""Methods by the names that configs use, or by their class paths: :func:`build_method` is the one door."""

import importlib
from typing import Any, TypeVar

from vidtldr.errors import did_you_mean
from vidtldr.merging.method import Method, options_of
from vidtldr.merging.method_help import MethodHelp, OptionHelp, describe

__all__ = [
    "METHODS",
    "MethodHelp",
    "OptionHelp",
    "build_method",
    "class_path",
    "describe_methods",
    "find_method",
    "reference",
    "register",
]

METHODS: dict[str, type[Method]] = {}
"""The methods that :func:`register` has seen, by name."""

MethodT = TypeVar("MethodT", bound=type[Method])


def register(method: MethodT) -> MethodT:
    """Let configs call a method by its ``name``; a decorator of its dataclass.

    Raises:
        ValueError: It has no name, or another method has the same.
    """
    name = _name(method)
    known = METHODS.setdefault(name, method)
    if class_path(known) != class_path(method):  # the same class again is a module that was reloaded
        raise ValueError(f"the name {name!r} of {class_path(method)} is taken by {class_path(known)}")
    METHODS[name] = method
    return method


def find_method(name: str) -> type[Method]:
    """A method by its name, or by the class path of a module that Python can import, such as ``my_module.MyMethod``.

    Raises:
        ValueError: There is none; the message lists the names, or says what is wrong with the class path.
    """
    if name in METHODS:
        return METHODS[name]
    if "." in name:
        return _import_method(name)
    known = f"choose from {', '.join(METHODS)}, or name a class as module.Class"
    raise ValueError(f"unknown method {name!r}: {known}{did_you_mean(name, METHODS)}")


def build_method(name: str, **options: Any) -> Method:
    """Make a method from its name or class path and its options, as a config gives them.

    Raises:
        ValueError: The name, an option or a value is unknown; the message lists the legal ones.
    """
    method = find_method(name)
    legal = [option.name for option in options_of(method)]
    unknown = [option for option in options if option not in legal]
    if unknown:
        raise ValueError(f"method {name!r} has no option {unknown[0]!r}: it takes {', '.join(legal) or 'none'}")
    return method(**options)


def describe_methods() -> list[MethodHelp]:
    """What ``--help`` tells of each registered method."""
    return [describe(method) for method in METHODS.values()]


def reference(method: Method) -> str:
    """What :func:`build_method` finds a method's class by in any process: its name, or the class path of a user's."""
    path = class_path(type(method))
    return method.name if path.startswith("vidtldr.") else path


def class_path(method: type[Method]) -> str:
    """Where a method is defined."""
    return f"{method.__module__}.{method.__qualname__}"


def _import_method(path: str) -> type[Method]:
    module_name, _, class_name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except Exception as error:  # a user's module may fail in any way
        raise ValueError(f"cannot import {module_name!r} for method {path!r}: {error}") from error
    if found is None:
        raise ValueError(f"module {module_name!r} has no class {class_name!r}")
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ValueError(f"{path} is no method: derive the class from vidtldr.merging.Method")
    _name(found)
    return found


def _name(method: type[Method]) -> str:
    if not isinstance(getattr(method, "name", None), str):
        raise ValueError(f'{class_path(method)} has no name: give it one, such as name: ClassVar[str] = "mine"')
    return method.name
