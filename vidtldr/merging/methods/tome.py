"""Token Merging, the first of the methods that merge."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from vidtldr.merging.matching import match, merge_tokens
from vidtldr.merging.method import LayerView, Method, Reduction
from vidtldr.merging.registry import register


@register
@dataclass(frozen=True)
class ToMe(Method):
    """Token Merging (ToMe, arXiv:2210.09461): the most similar tokens merge into their mass-weighted mean.

    Attributes:
        r: Tokens merged per layer: counts or, below 1, shares; a number for every layer, a list for the first
            layers.
        metric: What tokens are compared by: their attention ``keys`` averaged over heads (the official choice) or the
            ``tokens`` themselves.
        proportional_attention: Add log mass to the attention scores of later layers; the official code does so for
            supervised ViTs and not for MAE ones.
    """

    name: ClassVar[str] = "tome"

    metric: Literal["keys", "tokens"] = "keys"
    proportional_attention: bool = True

    def __post_init__(self) -> None:
        """Check the metric beside the schedule."""
        super().__post_init__()
        if self.metric not in ("keys", "tokens"):
            raise ValueError(f"metric={self.metric!r} is neither 'keys' nor 'tokens'")

    @property
    def matched_by(self) -> Literal["keys", "tokens"]:
        """The metric."""
        return self.metric

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Merge the ``r`` most similar source tokens into their destinations."""
        assert view.keys is not None  # merging happens after attention
        metric = view.keys.float().mean(dim=1) if self.metric == "keys" else view.tokens
        # Without a class token the official code leaves the unmerged sources in order of falling similarity.
        plan = match(metric, r, num_prefix=view.num_prefix, keep_order=view.num_prefix > 0)
        if plan is None:
            return None
        return Reduction(*merge_tokens(view.tokens, view.mass, plan), plan)
