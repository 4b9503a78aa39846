"""The methods that are compared: base, ToMe and vid-TLDR.

A method is a small immutable object: a schedule and a rule that says what one layer does with its tokens after
self-attention. It holds no state of a forward pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor

from vidtldr.merging.matching import MergePlan, match, merge_tokens
from vidtldr.merging.saliency import saliency
from vidtldr.merging.schedule import Rate, parse_schedule


@dataclass(frozen=True)
class LayerView:
    """What a rule sees of a layer, after self-attention and its residual.

    Attributes:
        tokens: ``[b, n, c]``.
        keys: Keys of this layer's attention, ``[b, h, n, e]``.
        sharpness: Negative entropy of each patch token's attention, ``[b, n - p]``, float32; only if the method
            ``needs_sharpness``.
        mass: ``[b, n]``, float32, or ``None`` as long as every token has mass 1.
        num_prefix: Prefix tokens, p.
    """

    tokens: Tensor
    keys: Tensor
    sharpness: Tensor | None
    mass: Tensor | None
    num_prefix: int


@dataclass(frozen=True)
class Reduction:
    """What a rule makes of a layer.

    Attributes:
        tokens: ``[b, n - r, c]``.
        mass: ``[b, n - r]``, float32.
        plan: Which token went where.
        source_weight: Factor on the mass of the merged sources, ``[b, n]``; ``None`` means 1.
    """

    tokens: Tensor
    mass: Tensor
    plan: MergePlan
    source_weight: Tensor | None = None


@dataclass(frozen=True)
class Method:
    """A way of reducing tokens.

    Attributes:
        r: Tokens merged per layer: counts or, below 1, shares; a scalar for every layer, a list for the first layers.
    """

    name: ClassVar[str]
    needs_sharpness: ClassVar[bool] = False

    r: Rate | Sequence[Rate] = 0

    # Whether later layers add log mass to the attention scores (Eq. 7). No annotation: an option in ToMe alone.
    proportional_attention = True

    def __post_init__(self) -> None:
        """Normalise lists to tuples, so that methods are hashable and equal by value, and refuse bad schedules."""
        if isinstance(self.r, list):
            object.__setattr__(self, "r", tuple(self.r))
        self.schedule(len(self.r) if isinstance(self.r, tuple) else 1)

    def schedule(self, depth: int) -> tuple[Rate, ...]:
        """Tokens to merge in each of ``depth`` layers; raises ValueError if the schedule does not fit."""
        return parse_schedule(self.r, depth)

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Merge ``r`` tokens of one layer, or return ``None`` if there is nothing to merge."""
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

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Merge the ``r`` most similar source tokens into their destinations."""
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
    """

    name: ClassVar[str] = "vidtldr"
    needs_sharpness: ClassVar[bool] = True

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Merge the ``r`` most similar source tokens, each weighted by its saliency (Eq. 10-11)."""
        plan = match(view.tokens, r, num_prefix=view.num_prefix)
        if plan is None:
            return None
        assert view.sharpness is not None  # asked for by needs_sharpness
        weight = saliency(view.sharpness)
        if view.num_prefix:
            weight = F.pad(weight, (view.num_prefix, 0), value=1.0)
        return Reduction(*merge_tokens(view.tokens, view.mass, plan, weight), plan, weight)


METHODS: dict[str, type[Method]] = {method.name: method for method in (Base, ToMe, VidTLDR)}


def build_method(name: str, **options: Any) -> Method:
    """Make a method from its name and options, as a config gives them.

    Raises:
        ValueError: The name, an option or a value is unknown; the message lists the legal ones.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}: choose from {', '.join(METHODS)}")
    legal = [field.name for field in fields(METHODS[name])] if name != Base.name else []
    unknown = [option for option in options if option not in legal]
    if unknown:
        raise ValueError(f"method {name!r} has no option {unknown[0]!r}: it takes {', '.join(legal) or 'none'}")
    return METHODS[name](**options)
