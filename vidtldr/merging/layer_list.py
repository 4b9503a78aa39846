"""Layers that a model walks through in a loop of its own, while a method is applied.

timm's ``Eva`` and the Hugging Face models hold their layers in an ``nn.ModuleList`` and call each with tokens and
with what belongs to these: rotations, positions. The list, once a method is applied, gives such a loop layers that
share one :class:`~vidtldr.merging.forward_pass.ForwardPass`; each walk through the list begins a new one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast, overload

from torch import Tensor, nn

from vidtldr.merging.blocks import layer_in_parts
from vidtldr.merging.forward_pass import Applied, ForwardPass
from vidtldr.merging.layer_call import LayerCall, PositionedParts


class _Walk:
    """One walk of a model's loop through its layers; the pass begins with the first layer that is called."""

    def __init__(self, layers: "MergingList") -> None:
        self._layers = layers
        self._pass: ForwardPass | None = None
        self._whole: Tensor | None = None

    def call(
        self, layer: int, parts: PositionedParts, x: Tensor, args: tuple[Any, ...], options: dict[str, Any]
    ) -> object:
        if self._pass is None or layer == 0:
            if layer:
                raise RuntimeError("token merging is applied: layers run from the first on, in their order")
            self._whole = x.new_empty(*x.shape[:2], 0)
            self._pass = ForwardPass(self._layers, self._layers._applied, len(self._layers), x, positioned=True)
        assert self._whole is not None  # set with the pass
        parts.side(self._whole, *args, **options)  # refuses a mask, in layers that run as they are too
        return parts.answer(self._pass.run(layer, LayerCall(parts, self._whole, args, options)))


@dataclass(frozen=True)
class _Layer:
    """A layer as a loop gets it."""

    walk: _Walk
    index: int
    parts: PositionedParts

    def __call__(self, x: Tensor, *args: Any, **options: Any) -> object:
        return self.walk.call(self.index, self.parts, x, args, options)


class MergingList(nn.ModuleList):
    """The layers of a model while a method is applied."""

    _applied: Applied

    def __iter__(self) -> Iterator[Any]:
        return iter(self._walk())

    @overload
    def __getitem__(self, index: slice) -> nn.ModuleList: ...
    @overload
    def __getitem__(self, index: int) -> nn.Module: ...
    def __getitem__(self, index: int | slice) -> Any:
        """A single layer as it is; of a slice, layers that share a pass."""
        return self._walk()[index] if isinstance(index, slice) else super().__getitem__(index)

    def _walk(self) -> list[_Layer]:
        walk = _Walk(self)
        parts = (cast(PositionedParts, layer_in_parts(layer)) for layer in self._modules.values() if layer is not None)
        return [_Layer(walk, index, layer) for index, layer in enumerate(parts)]
