"""What a method is: a schedule and a rule that says what one layer does with its tokens after self-attention.

A method is a small immutable object. It holds no state of a forward pass.
"""

from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Literal

from torch import Tensor

from vidtldr.merging.attention.attend import Statistic
from vidtldr.merging.matching import max_mergeable
from vidtldr.merging.plans import Plan
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
    """A way of reducing tokens: what a method of one's own is derived from.

    Such a method is a frozen dataclass whose fields are its options. It has a ``name`` and says in :meth:`reduce` what
    one layer does; :func:`~vidtldr.merging.registry.register` lets configs call it by its name.

    Attributes:
        r: Tokens that go per layer: counts or, below 1, shares; a number for every layer, a list for the first layers.
        name: What configs call it.
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

    def changed_options(self) -> dict[str, Any]:
        """The options that differ from their defaults, by name; those that have no default are among them."""
        given = {option.name: getattr(self, option.name) for option in options_of(type(self))}
        defaults = {option.name: option.default for option in options_of(type(self))}
        return {name: value for name, value in given.items() if value != defaults[name]}

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Reduce one layer by ``r`` tokens, or return ``None`` if there is nothing to do."""
        raise TypeError(f"{type(self).__name__} does not merge tokens")


def options_of(method: type[Method]) -> list[Field[Any]]:
    """The options that a method takes, as fields of its dataclass."""
    return [option for option in fields(method) if option.init]
