"""The unreduced model, which all others are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from vidtldr.merging.method import Method
from vidtldr.merging.registry import register
from vidtldr.merging.schedule import Rate


@register
@dataclass(frozen=True)
class Base(Method):
    """The unreduced model."""

    name: ClassVar[str] = "base"

    r: Rate | Sequence[Rate] = field(default=0, init=False)  # no option: base is base
