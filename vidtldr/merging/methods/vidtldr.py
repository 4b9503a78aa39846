"""vid-TLDR: what merges is weighted by its saliency."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F

from vidtldr.merging.matching import match
from vidtldr.merging.method import LayerView, Reading, Reduction
from vidtldr.merging.methods.kinds import Merging
from vidtldr.merging.registry import register
from vidtldr.merging.saliency import check_steps, saliency


@register
@dataclass(frozen=True)
class VidTLDR(Merging):
    """vid-TLDR (arXiv:2403.13347): saliency decides how much a merged source token counts.

    Attributes:
        background_drop: Let tokens that are less salient than the mean of their clip count nothing (Eq. 8).
        sharpening: Spread the saliency of the others over [0, 1] (Eq. 9); needs ``background_drop``.
        score: What saliency is made of: the ``sharpness`` of a token's attention (Eq. 5), or its ``shift``, how far
            attention moves it (Representation Shift, arXiv:2508.00367), which needs no attention map.
        entropy: Of which attention sharpness is the negative entropy: of the ``mean`` of the heads (Eq. 5), or of each
            head, then averaged (``per_head``).
    """

    name: ClassVar[str] = "vidtldr"

    background_drop: bool = True
    sharpening: bool = True
    score: Literal["sharpness", "shift"] = "sharpness"
    entropy: Literal["mean", "per_head"] = "mean"

    @property
    def statistic(self) -> Reading:  # type: ignore[override]
        """What saliency is made of."""
        if self.score == "shift":
            return "attention_shift"
        return "sharpness" if self.entropy == "mean" else "head_sharpness"

    @property
    def matched_by(self) -> Literal["keys", "tokens"]:
        """The tokens, as in the official code."""
        return "tokens"

    def __post_init__(self) -> None:
        """Check the steps beside the other options."""
        super().__post_init__()
        if self.score not in ("sharpness", "shift"):
            raise ValueError(f"score={self.score!r} is neither 'sharpness' nor 'shift'")
        if self.entropy not in ("mean", "per_head"):
            raise ValueError(f"entropy={self.entropy!r} is neither 'mean' nor 'per_head'")
        if self.score == "shift" and self.entropy != "mean":
            raise ValueError(f"entropy={self.entropy!r} needs score='sharpness': a shift has no entropy")
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
        return self.merged(view, plan, weight)
