"""The methods that merge: base, ToMe and vid-TLDR. Those that prune stand in ``pruning.py``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch.nn.functional as F

from vidtldr.merging.attention.attend import Statistic
from vidtldr.merging.matching import match, merge_tokens
from vidtldr.merging.method import LayerView, Method, Reduction
from vidtldr.merging.registry import register
from vidtldr.merging.saliency import check_steps, saliency
from vidtldr.merging.schedule import Rate


@register
@dataclass(frozen=True)
class Base(Method):
    """The unreduced model."""

    name: ClassVar[str] = "base"

    r: Rate | Sequence[Rate] = field(default=0, init=False)  # no option: base is base


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
