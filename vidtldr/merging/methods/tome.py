"""Token Merging, the first of the methods that merge."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from vidtldr.merging.matching import match
from vidtldr.merging.method import LayerView, Reduction
from vidtldr.merging.methods.kinds import Merging
from vidtldr.merging.registry import register


@register
@dataclass(frozen=True)
class ToMe(Merging):
    """Token Merging (ToMe, arXiv:2210.09461): the most similar tokens merge into their mass-weighted mean.

    Attributes:
        metric: What tokens are compared by: their attention ``keys`` averaged over heads (the official choice) or the
            ``tokens`` themselves.
        proportional_attention: Add log mass to the attention scores of later layers; the official code does so for
            supervised ViTs and not for MAE ones.
    """

    name: ClassVar[str] = "tome"

    metric: Literal["keys", "tokens"] = "keys"
    proportional_attention: bool = True

    def __post_init__(self) -> None:
        """Check the metric beside the other options."""
        super().__post_init__()
        check_metric(self.metric)

    @property
    def matched_by(self) -> Literal["keys", "tokens"]:
        """The metric."""
        return self.metric

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Merge the ``r`` most similar source tokens into their destinations."""
        # Without a class token the official code leaves the unmerged sources in order of falling similarity.
        metric, keep_order = metric_of(view, self.metric), view.num_prefix > 0
        return self.merged(view, match(metric, r, num_prefix=view.num_prefix, keep_order=keep_order))


def metric_of(view: LayerView, metric: Literal["keys", "tokens"]) -> Tensor:
    """What tokens are compared by, ``[b, n, e]`` or ``[b, n, c]``."""
    if metric == "tokens":
        return view.tokens
    assert view.keys is not None  # matching happens after attention
    return view.keys.float().mean(dim=1)


def check_metric(metric: str) -> None:
    """Raise ValueError for another metric than ToMe's two."""
    if metric not in ("keys", "tokens"):
        raise ValueError(f"metric={metric!r} is neither 'keys' nor 'tokens'")
