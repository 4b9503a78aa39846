"""jsonargparse's messages, which fill a screen, shortened to the one sentence that helps."""

import importlib
import re
from collections.abc import Iterable

from jsonargparse import ArgumentParser

from vidtldr.errors import did_you_mean, on_one_line

_CLASS = re.compile(r"Problem with given class_path '([^']+)':\s*(.*)")
_KEY = re.compile(r'^(\s*)(?:- )?Parser key "([^"]+)":', re.MULTILINE)
_NOT_ACCEPTED = re.compile(r"Option '([^']+)' is not accepted")
_EXPECTED = re.compile(r"Expected an? (.+?)(?:\. Got value: (.*))?$", re.MULTILINE)
_GIVEN = re.compile(r"Given value: (?:NestedArg\(key='[^']*', val=)?(.*?)\)?$", re.MULTILINE)
_COUNT = re.compile(r"Not of type NonNegativeInt: (?:(\S+) does not conform|.*: '(.*)')")
_LONGEST = 300  # characters of a message that no rule knows


def one_sentence(message: str, options: Iterable[str] = ()) -> str:
    """Shorten a parser's message.

    Args:
        message: As jsonargparse gives it.
        options: Legal command-line options, to suggest the closest.
    """
    for rule in (_unrecognized, _unknown_key, _bad_value, _bad_count, _bad_class):
        if sentence := rule(message, list(options)):
            return sentence
    flat = on_one_line(message)
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"


def _unrecognized(message: str, options: list[str]) -> str | None:
    if not message.startswith("unrecognized arguments:"):
        return None
    first = message.split(":", 1)[1].split()[0]
    return f"unknown option {first.split('=')[0]}{did_you_mean(first.split('=')[0], options)}"


def _unknown_key(message: str, options: list[str]) -> str | None:
    unknown = _NOT_ACCEPTED.search(message)
    if not unknown:
        return None
    key, owner = unknown.group(1), _CLASS.search(message)
    if not owner:
        return f"unknown key '{key}'{did_you_mean(key, [option.lstrip('-') for option in options])}"
    return f"{owner.group(1)} has no option '{key}'{did_you_mean(key, _parameters(owner.group(1)))}"


def _bad_value(message: str, options: list[str]) -> str | None:
    keys = list(_KEY.finditer(message))
    if not keys:
        return None
    own = _indented_below(message, keys[-1])
    expected = list(dict.fromkeys(_type_name(match.group(1)) for match in _EXPECTED.finditer(own)))
    given = [match.group(2) for match in _EXPECTED.finditer(own) if match.group(2)]
    given += [match.group(1) for match in _GIVEN.finditer(own)]
    if not expected or not given or _CLASS.search(own) or "import path" in own:
        return None
    name = ".".join(match.group(2) for match in keys)
    return f"{name} must be {' or '.join(expected)}, not {given[-1]}"


def _bad_count(message: str, options: list[str]) -> str | None:
    key, count = _KEY.search(message), _COUNT.search(message)
    if not key or not count:
        return None
    return f"{key.group(2)} must be a whole number, 0 or more, not {count.group(1) or count.group(2)}"


def _bad_class(message: str, options: list[str]) -> str | None:
    problem = _CLASS.search(message)
    if problem:
        return f"cannot use class {problem.group(1)}: {on_one_line(problem.group(2))}"
    key = _KEY.search(message)
    if key and "import path" in message:
        given = _GIVEN.findall(message)
        return f"{key.group(2)} must be a class such as package.Class, not {given[-1] if given else 'this'}"
    return None


def _indented_below(message: str, key: re.Match[str]) -> str:
    """The lines that belong to a key: those below it that are indented further."""
    depth, own = len(key.group(1)), []
    for line in message[key.end() :].splitlines()[1:]:
        if line.strip() and len(line) - len(line.lstrip()) <= depth:
            break
        own.append(line)
    return "\n".join(own)


def _type_name(text: str) -> str:
    text = re.sub(r"<class '(?:[\w.]*\.)?(\w+)'>", r"\1", text).replace("typing.", "")
    return text.replace("NoneType", "null")


def import_class(class_path: str) -> type:
    """The class behind ``package.module.Class``."""
    module, _, name = class_path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _parameters(class_path: str) -> list[str]:
    parser = ArgumentParser()
    parser.add_class_arguments(import_class(class_path), "x", fail_untyped=False)
    return list(vars(parser.get_defaults().x))
