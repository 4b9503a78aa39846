"""A method of a user's own, in one file outside the package."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vidtldr.merging import LayerView, Method, Reduction, drop_lowest, register


@register
@dataclass(frozen=True)
class LongestTokens(Method):
    """Keep the longest tokens.

    Attributes:
        norm: Which norm measures them: 1, 2, ...
    """

    name: ClassVar[str] = "longest"

    norm: float = 2.0

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Drop the ``r`` shortest tokens."""
        length: Tensor = view.tokens.float().norm(p=self.norm, dim=-1)
        plan = drop_lowest(length, r, num_prefix=view.num_prefix)
        return None if plan is None else Reduction(plan.take(view.tokens), None, plan)
