"""Options that depend on the pre-training: ``tome: {r: {5M: 20, 17M: 25}}`` with ``--pairs 5M``."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from vidtldr.errors import UserError

_PAIRS = re.compile(r"\d+(\.\d+)?[KMB]", re.IGNORECASE)

Methods = Mapping[str, Mapping[str, Any] | None]


def choose_pairs(methods: Methods, pairs: str | None) -> dict[str, dict[str, Any]]:
    """Take from each option that is given by pre-training the value of one.

    Args:
        methods: Options of each method by its name, as a config gives them.
        pairs: One of :func:`known_pairs`; None where there are none.

    Raises:
        UserError: An option has no value for this pre-training.

    >>> choose_pairs({"base": {}, "tome": {"r": {"5M": 20, "17M": 25}, "metric": "tokens"}}, "17M")
    {'base': {}, 'tome': {'r': 25, 'metric': 'tokens'}}
    """
    return {
        name: {option: _choose(f"methods.{name}.{option}", value, pairs) for option, value in (options or {}).items()}
        for name, options in methods.items()
    }


def known_pairs(methods: Methods) -> list[str]:
    """The pre-trainings that options are given for, in the order of the config; none where no option is."""
    values = [value for options in methods.values() for value in (options or {}).values()]
    return list(dict.fromkeys(pairs for value in values if _is_by_pairs(value) for pairs in value))


def check_pairs(pairs: str | None, known: Sequence[str], *, needed: bool) -> str | None:
    """The pre-training as the config spells it.

    Args:
        pairs: What was asked for, in any case, or None.
        known: What can be.
        needed: Whether it must be one of them.

    Raises:
        UserError: It is none of them.
    """
    if pairs is None and not needed:
        return None
    if not known:
        raise UserError(f"--pairs {pairs}: nothing in this config depends on the pre-training")
    for name in known:
        if pairs is not None and name.casefold() == pairs.casefold():
            return name
    raise UserError(f"--pairs {pairs or ''}: choose the pre-training, one of {', '.join(known)}")


def _is_by_pairs(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(_PAIRS.fullmatch(str(key)) for key in value)


def _choose(option: str, value: Any, pairs: str | None) -> Any:
    if not _is_by_pairs(value):
        return value
    if pairs not in value:
        raise UserError(f"{option} has no value for --pairs {pairs}, only for {', '.join(value)}")
    return value[pairs]
