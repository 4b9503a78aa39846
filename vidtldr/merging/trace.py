"""What an observer is told of a forward pass, and where each input token ended."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vidtldr.merging.method import Reduction
from vidtldr.merging.plans import Plan

INPUT = -1
"""The layer of a record that tells of what enters the first one."""


@dataclass(frozen=True)
class LayerRecord:
    """What an observer is told after each layer.

    Attributes:
        layer: Index of the layer, 0-based; :data:`INPUT` before the first one, of methods that reduce there.
        tokens: Output of the block, ``[b, n, c]``.
        mass: Masses after the layer, ``[b, n]``, float32; ``None`` before the first merge, and always if tokens are
            dropped instead of merged.
        plan: The merge or the dropping that took place in this layer, or ``None``.
        sharpness: Negative entropies before the merge, ``[b, n' - p]``; only where sources were weighted by them.
        score: What the method ranked or weighted tokens by, ``[b, n' - p]``; of dropped ones the lowest went first.
            ``None`` where none went, and where nothing was known of them.
        source_weight: Factor on the mass of merged sources, ``[b, n']`` (vid-TLDR: the saliency), or ``None``.
        owner: For each input token the output token that stands for it, ``[b, n_input]``, int64; -1 for a token that
            was dropped.
        share: For each input token the product of the factors it was weighted with, ``[b, n_input]``, float32: 1 if it
            was never scaled, 0 if it was dropped, by pruning or as background, and left no trace.
    """

    layer: int
    tokens: Tensor
    mass: Tensor | None
    plan: Plan | None
    sharpness: Tensor | None
    score: Tensor | None
    source_weight: Tensor | None
    owner: Tensor
    share: Tensor


Observer = Callable[[LayerRecord], None]


@dataclass(frozen=True)
class SourceMap:
    """Where the input tokens stand at some layer; see :class:`LayerRecord` for ``owner`` and ``share``."""

    owner: Tensor
    share: Tensor

    @classmethod
    def identity(cls, x: Tensor) -> "SourceMap":
        """Each input token of ``[b, n, c]`` stands for itself."""
        batch, num_tokens, _ = x.shape
        owner = torch.arange(num_tokens, device=x.device).repeat(batch, 1)
        return cls(owner, torch.ones(batch, num_tokens, device=x.device))

    def follow(self, reduction: Reduction | None) -> "SourceMap":
        """The map after a layer's reduction."""
        if reduction is None:
            return self
        plan, share = reduction.plan, self.share
        if reduction.source_weight is not None:
            _, gone = plan.origins()
            weight = torch.ones_like(reduction.source_weight)
            weight.scatter_(1, gone, reduction.source_weight.gather(1, gone))
            share = share * weight.gather(1, self.owner.clamp(min=0))
        owner = plan.follow(self.owner)
        return SourceMap(owner, share.masked_fill(owner < 0, 0))
