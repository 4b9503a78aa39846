"""Methods by the names that configs use."""

from dataclasses import fields
from typing import Any

from vidtldr.merging.methods import Base, Method, ToMe, VidTLDR
from vidtldr.merging.pruning import Attentiveness, Rollout, SaliencyPruning

METHODS: dict[str, type[Method]] = {
    method.name: method for method in (Base, ToMe, VidTLDR, Attentiveness, Rollout, SaliencyPruning)
}


def build_method(name: str, **options: Any) -> Method:
    """Make a method from its name and options, as a config gives them.

    Raises:
        ValueError: The name, an option or a value is unknown; the message lists the legal ones.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}: choose from {', '.join(METHODS)}")
    legal = [field.name for field in fields(METHODS[name])] if name != Base.name else []
    unknown = [option for option in options if option not in legal]
    if unknown:
        raise ValueError(f"method {name!r} has no option {unknown[0]!r}: it takes {', '.join(legal) or 'none'}")
    return METHODS[name](**options)
