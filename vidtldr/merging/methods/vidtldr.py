"""vid-TLDR: what merges is weighted by its saliency."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F

from vidtldr.merging.attention.attend import Statistic
from vidtldr.merging.matching import match, merge_tokens
from vidtldr.merging.method import LayerView, Method, Reduction
from vidtldr.merging.registry import register
from vidtldr.merging.saliency import check_steps, saliency


@register
@dataclass(frozen=True)
class VidTLDR(Method):
    """vid-TLDR (arXiv:2403.13347): saliency decides how much a merged source token counts.

    Attributes:
        r: Tokens merged per layer: counts or, below 1, shares; a number for every layer, a list for the first
            layers.
        background_drop: Let tokens that are less salient than the mean of their clip count nothing (Eq. 8).
        sharpening: Spread the saliency of the others over [0, 1] (Eq. 9); needs ``background_drop``.
    """

    name: ClassVar[str] = "vidtldr"
    statistic: ClassVar[Statistic | None] = "sharpness"

    background_drop: bool = True
    sharpening: bool = True

    @property
    def matched_by(self) -> Literal["keys", "tokens"]:
        """The tokens, as in the official code."""
        return "tokens"

    def __post_init__(self) -> None:
        """Check the steps beside the schedule."""
        super().__post_init__()
        check_steps(background_drop=self.background_drop, sharpening=self.sharpening)

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Merge the ``r`` most similar source tokens, each weighted by its saliency (Eq. 10-11)."""
        plan = match(view.tokens, r, num_prefix=view.num_prefix)
        if plan is None:
            return None
        assert view.score is not None  # asked for by statistic
        weight = saliency(
            view.score[:, view.num_prefix :], background_drop=self.background_drop, sharpening=self.sharpening
        )
        if view.num_prefix:
            weight = F.pad(weight, (view.num_prefix, 0), value=1.0)
        return Reduction(*merge_tokens(view.tokens, view.mass, plan, weight), plan, weight)
