"""The two kinds of methods: what those that merge have in common, and what those that drop."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vidtldr.merging.dropping import drop_lowest, max_droppable
from vidtldr.merging.matching import merge_tokens
from vidtldr.merging.method import LayerView, Method, Reduction
from vidtldr.merging.mlerp import rescale_to_longest
from vidtldr.merging.pairing import merge_pairs
from vidtldr.merging.plans import MergePlan, PairPlan


@dataclass(frozen=True)
class Merging(Method):
    """Let tokens merge into others.

    Attributes:
        r: Tokens merged per layer: counts or, below 1, shares; a number for every layer, a list for the first
            layers.
        merge: What takes the place of merged tokens: their ``mean``, weighted by mass, or ``mlerp``, that mean
            with the length of the longest of them.
        pooling: How the model averages its last tokens: all alike (``mean``) or weighted by ``mass``; of no effect
            on a model that reads a class token.
    """

    merge: Literal["mean", "mlerp"] = "mean"
    pooling: Literal["mean", "mass"] = "mean"

    def __post_init__(self) -> None:
        """Check the options beside the schedule."""
        super().__post_init__()
        if self.merge not in ("mean", "mlerp"):
            raise ValueError(f"merge={self.merge!r} is neither 'mean' nor 'mlerp'")
        if self.pooling not in ("mean", "mass"):
            raise ValueError(f"pooling={self.pooling!r} is neither 'mean' nor 'mass'")

    def merged(
        self, view: LayerView, plan: MergePlan | PairPlan | None, source_weight: Tensor | None = None
    ) -> Reduction | None:
        """Merge as a plan says; sources of a :class:`MergePlan` may be weighted, ``[b, n]``."""
        if plan is None:
            return None
        if isinstance(plan, PairPlan):
            tokens, mass = merge_pairs(view.tokens, view.mass, plan)
        else:
            tokens, mass = merge_tokens(view.tokens, view.mass, plan, source_weight)
        if self.merge == "mlerp":
            tokens = rescale_to_longest(tokens, view.tokens, plan, source_weight)
        return Reduction(tokens, mass, plan, source_weight)


@dataclass(frozen=True)
class Dropping(Method):
    """Drop the lowest-scoring tokens; prefix tokens stay.

    Attributes:
        r: Tokens dropped per layer: counts or, below 1, shares; a number for every layer, a list for the first
            layers.
    """

    def most(self, num_tokens: int, num_prefix: int = 0) -> int:
        """All unprotected tokens but one."""
        return max_droppable(num_tokens, num_prefix)

    def describe_most(self, num_tokens: int, num_prefix: int = 0) -> str:
        """What a schedule that asks for more is told."""
        return f"what can go of {num_tokens} tokens; {self.most(num_tokens, num_prefix)} are dropped"

    def score(self, view: LayerView) -> Tensor:
        """What tokens are ranked by, ``[b, n]``; where nothing is known of them they are all alike."""
        known = view.score
        return torch.zeros(view.tokens.shape[:2], device=view.tokens.device) if known is None else known

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Drop the ``r`` lowest-scoring tokens."""
        plan = drop_lowest(self.score(view), r, num_prefix=view.num_prefix)
        return None if plan is None else Reduction(plan.take(view.tokens), None, plan)
