"""What a method is: a schedule and a rule that says what one layer does with its tokens after self-attention.

A method is a small immutable object. It holds no state of a forward pass.
"""

from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Literal

from torch import Tensor

from vidtldr.merging.attention.attend import Statistic
from vidtldr.merging.clip_input import Clips
from vidtldr.merging.matching import max_mergeable
from vidtldr.merging.plans import Plan
from vidtldr.merging.schedule import Rate, parse_schedule

Reading = Statistic | Literal["attention_shift", "mlp_shift"]
"""What a method ranks or weights tokens by: a statistic of the attention, or how far a branch of the layer moves a
token, that is the length of what it adds to it (Representation Shift, arXiv:2508.00367)."""


@dataclass(frozen=True)
class LayerView:
    """What a rule sees of a layer, after self-attention and its residual (or elsewhere, see ``before`` of a method).

    Attributes:
        tokens: ``[b, n, c]``.
        keys: Keys of this layer's attention, ``[b, h, n, e]``; ``None`` before the layer.
        score: What the method ranks or weights tokens by, prefix included, ``[b, n]``, float32: its ``statistic`` of
            this layer (before the layer: of the layer before, ``None`` at the first), or the rollout.
        mass: ``[b, n]``, float32, or ``None`` as long as every token has mass 1.
        num_prefix: Prefix tokens, p.
        layer: Index of the layer, 0-based.
        depth: Layers of the model.
        clips: The clips themselves, if the method needs them.
    """

    tokens: Tensor
    keys: Tensor | None
    score: Tensor | None
    mass: Tensor | None
    num_prefix: int
    layer: int = 0
    depth: int = 1
    clips: Clips | None = None


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
    """A way of reducing tokens: what a method of one's own is derived from.

    Such a method is a frozen dataclass whose fields are its options. It has a ``name`` and says in :meth:`reduce` what
    one layer does; :func:`~vidtldr.merging.registry.register` lets configs call it by its name.

    Attributes:
        r: Tokens that go per layer: counts or, below 1, shares; a number for every layer, a list for the first layers.
        name: What configs call it.
        statistic: What the method reads off a layer that reduces.
        needs_first_pass: Whether it ranks by attention rollout, for which the unreduced model runs first.
        needs_clips: Whether it needs the clips themselves.
        reduces_input: Whether it reduces tokens before the first layer, in :meth:`reduce_input`.
        varies: Whether it leaves another number of tokens in each clip, so that only one clip can run at a time.
    """

    name: ClassVar[str]
    statistic: ClassVar[Reading | None] = None
    needs_first_pass: ClassVar[bool] = False
    needs_clips: ClassVar[bool] = False
    reduces_input: ClassVar[bool] = False

    r: Rate | Sequence[Rate] = 0

    # Options of some methods and facts of the others, hence no annotations: whether later layers add log mass to the
    # attention scores (Eq. 7); where in a layer tokens go, before its "mlp", before the whole "layer", or before the
    # "next" one; and whether the tokens of the last layer are averaged as they are ("mean") or weighted by "mass".
    proportional_attention = True
    before = "mlp"
    pooling = "mean"
    varies = False

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

    def similarities(self, num_tokens: int, num_prefix: int = 0) -> int:
        """Pairs of tokens that are compared in a layer: even with odd positions, of which prefix tokens are none."""
        sources = (num_tokens + 1) // 2 - (num_prefix + 1) // 2
        destinations = num_tokens // 2 - num_prefix // 2
        return sources * destinations if self.matched_by else 0

    def most(self, num_tokens: int, num_prefix: int = 0) -> int:
        """The most tokens that can go in one layer."""
        return max_mergeable(num_tokens, num_prefix)

    def describe_most(self, num_tokens: int, num_prefix: int = 0) -> str:
        """What a schedule that asks for more is told."""
        return f"half of {num_tokens} tokens; {self.most(num_tokens, num_prefix)} merge"

    def option_values(self) -> dict[str, Any]:
        """The value of each option, defaults included: what makes the same method again."""
        return {option.name: getattr(self, option.name) for option in options_of(type(self))}

    def changed_options(self) -> dict[str, Any]:
        """The options that differ from their defaults, by name; those that have no default are among them."""
        defaults = {option.name: option.default for option in options_of(type(self))}
        return {name: value for name, value in self.option_values().items() if value != defaults[name]}

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Reduce one layer by ``r`` tokens, or return ``None`` if there is nothing to do."""
        raise TypeError(f"{type(self).__name__} does not merge tokens")

    def reduce_input(self, view: LayerView) -> Reduction | None:
        """Reduce what enters the first layer; only of a method that ``reduces_input``."""
        return None

    def gone_at_input(self, num_patches: int) -> int:
        """How many of the patch tokens :meth:`reduce_input` takes away.

        Raises:
            ValueError: That depends on the clip.
        """
        return 0


def options_of(method: type[Method]) -> list[Field[Any]]:
    """The options that a method takes, as fields of its dataclass."""
    return [option for option in fields(method) if option.init]
