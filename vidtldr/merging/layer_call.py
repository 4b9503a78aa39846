"""A layer that gets more than tokens, as a block of tokens alone.

What a model hands to its layers beside tokens (rotations, positions) belongs to the tokens of the whole grid. A
:class:`LayerCall` keeps it, and takes out of it what belongs to the tokens that are left.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from vidtldr.merging.attention.attend import attend
from vidtldr.merging.block_kinds.side import Side
from vidtldr.merging.blocks import Projected
from vidtldr.merging.tokens import take_tokens


class PositionedParts(Protocol):
    """A layer in parts that gets more than tokens; see :class:`~vidtldr.merging.blocks.MergeableBlock`."""

    def side(self, x: Tensor, *args: Any, **options: Any) -> Side:
        """What belongs to tokens ``[b, n, c]``, out of what the model hands to the layer beside them."""
        ...

    def run(self, x: Tensor, *args: Any, **options: Any) -> Tensor:
        """The layer as it is, called as the model calls it."""
        ...

    def project(self, x: Tensor, side: Side = ...) -> Projected:
        """The first norm, then queries, keys and values."""
        ...

    def add_attention(self, x: Tensor, attended: Tensor, projected: Projected) -> Tensor:
        """Add what attention gives."""
        ...

    def add_mlp(self, x: Tensor) -> Tensor:
        """Add what the feed-forward part gives."""
        ...

    def answer(self, x: Tensor) -> object:
        """Tokens as the model's loop expects them of the layer."""
        ...


@dataclass(frozen=True)
class LayerCall:
    """A layer with what the model hands to it beside tokens: a block of tokens alone.

    Attributes:
        parts: The layer.
        whole: The tokens that entered the first layer, ``[b, n, c]``, to which that belongs.
        args: What is handed over by place.
        options: And by name.
        places: Where the tokens that are left stood among the first, ``[b, n']``; None if all are left.
    """

    parts: PositionedParts
    whole: Tensor
    args: tuple[Any, ...]
    options: dict[str, Any]
    places: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """The layer as it is; in parts, if it has to be told where its tokens stood."""
        if self.places is None:
            return self.parts.run(x, *self.args, **self.options)
        projected = self.project(x)
        query, key, value = projected.query, projected.key, projected.value
        attended = attend(query, key, value, scale=projected.scale, dropout=projected.dropout).output
        return self.add_mlp(self.add_attention(x, attended, projected))

    def project(self, x: Tensor) -> Projected:
        """See :class:`~vidtldr.merging.blocks.MergeableBlock`."""
        side = self.parts.side(self.whole, *self.args, **self.options)
        if self.places is not None:
            places = self.places
            side = tuple(take_tokens(tensor, places) for tensor in side)
        return self.parts.project(x, side)

    def add_attention(self, x: Tensor, attended: Tensor, projected: Projected) -> Tensor:
        """See :class:`~vidtldr.merging.blocks.MergeableBlock`."""
        return self.parts.add_attention(x, attended, projected)

    def add_mlp(self, x: Tensor) -> Tensor:
        """See :class:`~vidtldr.merging.blocks.MergeableBlock`."""
        return self.parts.add_mlp(x)
