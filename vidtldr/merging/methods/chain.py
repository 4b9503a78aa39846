"""Methods one behind the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

from vidtldr.merging.method import LayerView, Method, Reading, Reduction
from vidtldr.merging.registry import build_method, reference, register
from vidtldr.merging.schedule import Rate


@register
@dataclass(frozen=True)
class Chain(Method):
    """A method at the input, then one that works in the layers.

    Attributes:
        methods: The two, each with its options, such as
            ``[{method: run_length, keep: 0.7}, {method: vidtldr, r: [40, 20]}]``.
    """

    name: ClassVar[str] = "chain"
    needs_clips: ClassVar[bool] = True
    reduces_input: ClassVar[bool] = True

    r: Rate | Sequence[Rate] = field(default=0, init=False)  # that of the second method
    methods: Sequence[Method | Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        """Make the methods, and check that they can follow each other."""
        object.__setattr__(self, "methods", tuple(_made(method) for method in self.methods))
        at_input = [method.reduces_input for method in self._made]
        if at_input != [True, False] or any(isinstance(method, Chain) for method in self._made):
            names = ", ".join(method.name for method in self._made) or "nothing"
            raise ValueError(
                f"chain takes a method at the input and one of the layers, such as run_length and vidtldr, not {names}"
            )
        object.__setattr__(self, "r", self._inner.r)
        super().__post_init__()

    @property
    def _made(self) -> tuple[Method, ...]:
        return cast(tuple[Method, ...], self.methods)

    @property
    def _inner(self) -> Method:
        return self._made[1]

    def option_values(self) -> dict[str, Any]:
        """The methods with all of their options, as a config writes them."""
        return {"methods": [{"method": reference(method)} | method.option_values() for method in self._made]}

    def changed_options(self) -> dict[str, Any]:
        """The methods with the options that differ from their defaults."""
        return {"methods": [{"method": reference(method)} | method.changed_options() for method in self._made]}

    # At the input the first method works.

    @property
    def varies(self) -> bool:  # type: ignore[override]
        """As the first method."""
        return self._made[0].varies

    def reduce_input(self, view: LayerView) -> Reduction | None:
        """What the first method does."""
        return self._made[0].reduce_input(view)

    def gone_at_input(self, num_patches: int) -> int:
        """What the first method takes away."""
        return self._made[0].gone_at_input(num_patches)

    # In the layers the second.

    @property
    def statistic(self) -> Reading | None:  # type: ignore[override]
        """What the second method reads."""
        return self._inner.statistic

    @property
    def needs_first_pass(self) -> bool:  # type: ignore[override]
        """As the second method."""
        return self._inner.needs_first_pass

    @property
    def proportional_attention(self) -> bool:  # type: ignore[override]
        """As the second method."""
        return self._inner.proportional_attention

    @property
    def before(self) -> str:  # type: ignore[override]
        """As the second method."""
        return self._inner.before

    @property
    def pooling(self) -> str:  # type: ignore[override]
        """As the second method."""
        return self._inner.pooling

    @property
    def matched_by(self) -> Literal["keys", "tokens"] | None:
        """As the second method."""
        return self._inner.matched_by

    def similarities(self, num_tokens: int, num_prefix: int = 0) -> int:
        """As the second method."""
        return self._inner.similarities(num_tokens, num_prefix)

    def most(self, num_tokens: int, num_prefix: int = 0) -> int:
        """As the second method."""
        return self._inner.most(num_tokens, num_prefix)

    def describe_most(self, num_tokens: int, num_prefix: int = 0) -> str:
        """As the second method."""
        return self._inner.describe_most(num_tokens, num_prefix)

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """What the second method does."""
        return self._inner.reduce(view, r)


def _made(method: Method | Mapping[str, Any]) -> Method:
    if isinstance(method, Method):
        return method
    if not isinstance(method, Mapping) or "method" not in method:
        raise ValueError(f"chain was given {method!r}: name a method, such as {{method: run_length, keep: 0.7}}")
    options = dict(method)
    return build_method(str(options.pop("method")), **options)
