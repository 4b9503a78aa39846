"""ToMe's matching without its merging: what the mean adds to the choice."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from vidtldr.merging.matching import match
from vidtldr.merging.method import LayerView, Method, Reduction
from vidtldr.merging.methods.tome import check_metric, metric_of
from vidtldr.merging.plans import PrunePlan
from vidtldr.merging.registry import register


@register
@dataclass(frozen=True)
class SimilarDrop(Method):
    """Drop the tokens that ToMe would merge: those most similar to another one, which stays.

    Attributes:
        r: Tokens dropped per layer: counts or, below 1, shares; a number for every layer, a list for the first
            layers.
        metric: What tokens are compared by: their attention ``keys`` averaged over heads or the ``tokens`` themselves.
    """

    name: ClassVar[str] = "similar_drop"

    metric: Literal["keys", "tokens"] = "keys"

    def __post_init__(self) -> None:
        """Check the metric beside the schedule."""
        super().__post_init__()
        check_metric(self.metric)

    @property
    def matched_by(self) -> Literal["keys", "tokens"]:
        """The metric."""
        return self.metric

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Drop the ``r`` most similar source tokens; the others keep their order."""
        matched = match(metric_of(view, self.metric), r, num_prefix=view.num_prefix)
        if matched is None:
            return None
        kept, sources = matched.origins()
        plan = PrunePlan(matched.num_tokens, kept.sort(dim=1).values, sources)
        return Reduction(plan.take(view.tokens), None, plan)
