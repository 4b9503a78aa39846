"""GFLOPs of a model as it runs, in the paper's convention.

The paper counts with fvcore at batch 1: multiply-adds of linear layers, convolutions and matrix products (the matching
of tokens included), LayerNorm at fvcore's five per element; softmax, sorting and gathering are not counted, nor is the
text encoder. One "FLOP" is thus one multiply-add.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn

from vidtldr.merging import Base, LayerRecord, Method, merging
from vidtldr.merging.rollout_pass import keep_outputs

_BLOCKS = re.compile(r"\bblocks\b(?:\.(\d+))?")  # in the names of modules: their container, or one of them
_Handle = Callable[[list[Any], list[Any]], "Counter[str] | float"]

# Operations that fvcore has no count for and that count as free in the paper's convention. Anything else unknown is an
# error: fvcore would silently leave it out.
_FREE_OPS = """
    abs add add_ amax amin aminmax arange argsort bitwise_not clamp clamp_min copy_ div div_ dropout eq exp expand
    expand_as feature_dropout fill_ floor_divide full gather ge gelu gt index_select le linalg_vector_norm log
    logical_not lt masked_fill masked_fill_ max mean min mul mul_ ne neg new_full new_ones new_zeros norm ones ones_like
    pad pow reciprocal remainder repeat rsqrt rsub scatter scatter_ scatter_add scatter_add_ sigmoid softmax sort
    special_entr sqrt sub sub_ sum topk unflatten where zeros zeros_like
"""


@dataclass(frozen=True)
class Cost:
    """What a clip costs, and where.

    Attributes:
        gflops: Billions of multiply-adds of the whole encoder.
        gflops_per_layer: Those of each layer, its matching of tokens included. What is missing to the whole is spent
            outside of the layers: on the embedding, the last norm, the head, and a first pass for attention rollout.
        tokens_per_layer: Tokens of the clip that leave each layer, prefix tokens included; where frames are encoded one
            by one, those of all frames.
    """

    gflops: float
    gflops_per_layer: tuple[float, ...]
    tokens_per_layer: tuple[int, ...]


def encoder_gflops(encoder: nn.Module, *, example: Tensor, method: Method | None = None) -> float:
    """The GFLOPs of one clip (billions of multiply-adds), as :func:`encoder_cost` counts them."""
    return encoder_cost(encoder, example=example, method=method).gflops


def encoder_cost(encoder: nn.Module, *, example: Tensor, method: Method | None = None) -> Cost:
    """Count what one clip costs, layer by layer.

    The model runs once, as it stands. A method that is applied to it makes no difference to the count and is applied
    again afterwards.

    Args:
        encoder: A ViT, or a module that holds one.
        example: One input, ``[1, ...]``; only its shape, dtype and device matter.
        method: The method to count with; None means base.

    Raises:
        RuntimeError: The model runs an operation whose cost is not known.
    """
    training, method = encoder.training, method or Base()
    counted = _WithFirstPass(encoder) if method.needs_first_pass else encoder
    layers, tokens = _Layers(), list[int]()

    def observe(record: LayerRecord) -> None:
        batch, num_tokens, _ = record.tokens.shape
        tokens.append(int(batch) * int(num_tokens))

    with merging(encoder.eval(), method, observer=observe), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what tracing says about shapes that become constants
        analysis = FlopCountAnalysis(counted, example)
        analysis.set_op_handle("aten::scaled_dot_product_attention", _count_attention)
        analysis.set_op_handle(**{name: layers.listen(handle) for name, handle in analysis._op_handles.items()})
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        total = analysis.total()
        unknown = set(analysis.unsupported_ops()) - {f"aten::{name}" for name in _FREE_OPS.split()}
    encoder.train(training)
    if unknown:
        raise RuntimeError(f"the cost of {', '.join(sorted(unknown))} is not known")
    return Cost(total / 1e9, tuple(flops / 1e9 for flops in layers.flops), tuple(tokens))


class _Layers:
    """Multiply-adds of each layer, added up as fvcore walks through the operations in the order in which they ran.

    A layer begins with the first operation inside its block. What merging does between the parts of a block runs in
    their container, and belongs to the layer that has begun.
    """

    def __init__(self) -> None:
        self.flops: list[float] = []
        self._inside = False

    def listen(self, handle: _Handle) -> _Handle:
        """The same count of an operation, which is also added to its layer."""

        def counted(inputs: list[Any], outputs: list[Any]) -> Counter[str] | float:
            flops = handle(inputs, outputs)
            total = sum(flops.values()) if isinstance(flops, Counter) else flops
            self._add(outputs[0].node().scopeName(), float(total))
            return flops

        return counted

    def _add(self, scope: str, flops: float) -> None:
        found = _BLOCKS.findall(scope)
        numbers = [int(number) for number in found if number]
        if 0 in numbers and not self._inside:
            self.flops = []  # what was counted before was a first pass
        if numbers and numbers[-1] == len(self.flops):
            self.flops.append(0.0)
        self._inside = bool(found)
        if self._inside:
            self.flops[-1] += flops


class _WithFirstPass(nn.Module):
    """An encoder that also returns what its first pass gave, so that the trace keeps all of that pass."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, example: Tensor) -> tuple[Any, list[Any]]:
        with keep_outputs() as outputs:
            return self.encoder(example), outputs


def _count_attention(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """Scores and weighted sum of fused attention, for which fvcore counts nothing: ``2 b h n m e`` multiply-adds."""
    (*batch_and_heads, num_queries, width), num_keys = inputs[0].type().sizes(), inputs[1].type().sizes()[-2]
    value_width = inputs[2].type().sizes()[-1]
    pairs = num_queries * num_keys
    for size in batch_and_heads:
        pairs *= size
    return Counter({"attention": pairs * (width + value_width)})
