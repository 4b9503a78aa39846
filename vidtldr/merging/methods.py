"""What a method is, and those that merge: base, ToMe and vid-TLDR. Those that prune stand in ``pruning.py``.

A method is a small immutable object: a schedule and a rule that says what one layer does with its tokens after
self-attention. It holds no state of a forward pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor

from vidtldr.merging.attention.attend import Statistic
from vidtldr.merging.matching import match, max_mergeable, merge_tokens
from vidtldr.merging.plans import Plan
from vidtldr.merging.saliency import check_steps, saliency
from vidtldr.merging.schedule import Rate, parse_schedule


@dataclass(frozen=True)
class LayerView:
    """What a rule sees of a layer, after self-attention and its residual (or before them, see :class:`Method`).

    Attributes:
        tokens: ``[b, n, c]``.
        keys: Keys of this layer's attention, ``[b, h, n, e]``; ``None`` before the layer.
        score: What the method ranks or weights tokens by, prefix included, ``[b, n]``, float32: its ``statistic`` of
            this layer (before the layer: of the layer before, ``None`` at the first), or the rollout.
        mass: ``[b, n]``, float32, or ``None`` as long as every token has mass 1.
        num_prefix: Prefix tokens, p.
    """

    tokens: Tensor
    keys: Tensor | None
    score: Tensor | None
    mass: Tensor | None
    num_prefix: int


@dataclass(frozen=True)
class Reduction:
    """What a rule makes of a layer.

    Attributes:
        tokens: ``[b, n - r, c]``.
        mass: ``[b, n - r]``, float32; ``None`` if every token still has mass 1.
        plan: Which token went where.
        source_weight: Factor on the mass of the merged sources, ``[b, n]``; ``None`` means 1.
    """

    tokens: Tensor
    mass: Tensor | None
    plan: Plan
    source_weight: Tensor | None = None


@dataclass(frozen=True)
class Method:
    """A way of reducing tokens.

    Attributes:
        r: Tokens that go per layer: counts or, below 1, shares; a scalar for every layer, a list for the first layers.
        statistic: What the method reads off the attention of a layer that reduces.
        needs_first_pass: Whether it ranks by attention rollout, for which the unreduced model runs first.
    """

    name: ClassVar[str]
    statistic: ClassVar[Statistic | None] = None
    needs_first_pass: ClassVar[bool] = False

    r: Rate | Sequence[Rate] = 0

    # Options of some methods and facts of the others, hence no annotations: whether later layers add log mass to the
    # attention scores (Eq. 7), and where in a layer tokens go, before its "mlp" or before the whole "layer".
    proportional_attention = True
    before = "mlp"

    def __post_init__(self) -> None:
        """Normalise lists to tuples, so that methods are hashable and equal by value, and refuse bad schedules."""
        if isinstance(self.r, list):
            object.__setattr__(self, "r", tuple(self.r))
        self.schedule(len(self.r) if isinstance(self.r, tuple) else 1)

    @property
    def matched_by(self) -> Literal["keys", "tokens"] | None:
        """What tokens are compared by, if the method merges: keys averaged over heads, or whole tokens."""
        return None

    def schedule(self, depth: int) -> tuple[Rate, ...]:
        """Tokens that go in each of ``depth`` layers; raises ValueError if the schedule does not fit."""
        return parse_schedule(self.r, depth)

    def most(self, num_tokens: int, num_prefix: int = 0) -> int:
        """The most tokens that can go in one layer."""
        return max_mergeable(num_tokens, num_prefix)

    def describe_most(self, num_tokens: int, num_prefix: int = 0) -> str:
        """What a schedule that asks for more is told."""
        return f"half of {num_tokens} tokens; {self.most(num_tokens, num_prefix)} merge"

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Reduce one layer by ``r`` tokens, or return ``None`` if there is nothing to do."""
        raise TypeError(f"{type(self).__name__} does not merge tokens")


@dataclass(frozen=True)
class Base(Method):
    """The unreduced model."""

    name: ClassVar[str] = "base"

    def __post_init__(self) -> None:
        """Refuse a schedule: base is base."""
        if self.r != 0:
            raise ValueError(f"base merges nothing, but r={self.r!r} was given")


@dataclass(frozen=True)
class ToMe(Method):
    """Token Merging (ToMe, arXiv:2210.09461): the most similar tokens merge into their mass-weighted mean.

    Attributes:
        r: Tokens merged per layer; see :class:`Method`.
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


@dataclass(frozen=True)
class VidTLDR(Method):
    """vid-TLDR (arXiv:2403.13347): saliency decides how much a merged source token counts.

    Attributes:
        r: Tokens merged per layer; see :class:`Method`.
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
