"""Put a method on a model built from timm blocks, and take it off without a trace.

Only the container of the blocks is touched: its class is swapped for one that runs the blocks with merging in
between. What a forward pass needs (masses, source maps) are local values of that run, so nothing can leak from one
batch, model or thread to another, nor out of an exception; parameters and their names stay as they are.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from timm.models.vision_transformer import Attention, Block
from torch import Tensor, nn

from vidtldr.merging.attention import attend
from vidtldr.merging.matching import MergePlan, max_mergeable
from vidtldr.merging.methods import LayerView, Method, Reduction
from vidtldr.merging.schedule import tokens_to_merge


@dataclass(frozen=True)
class LayerRecord:
    """What an observer is told after each layer.

    Attributes:
        layer: Index of the layer, 0-based.
        tokens: Output of the block, ``[b, n, c]``.
        mass: Masses after the layer, ``[b, n]``, float32; ``None`` before the first merge.
        plan: The merge that took place in this layer, or ``None``.
        sharpness: Negative entropies before the merge, ``[b, n' - p]``; only where a method asked for them.
        source_weight: Factor on the mass of merged sources, ``[b, n']`` (vid-TLDR: the saliency), or ``None``.
        owner: For each input token the output token that stands for it, ``[b, n_input]``, int64.
        share: For each input token the product of the factors it was weighted with, ``[b, n_input]``, float32: 1 if it
            was never scaled, 0 if it was dropped as background and left no trace.
    """

    layer: int
    tokens: Tensor
    mass: Tensor | None
    plan: MergePlan | None
    sharpness: Tensor | None
    source_weight: Tensor | None
    owner: Tensor
    share: Tensor


Observer = Callable[[LayerRecord], None]


class _MergingBlocks(nn.Sequential):
    """The blocks of a ViT while a method is applied."""

    _method: Method
    _num_prefix: int
    _observer: Observer | None

    def forward(self, x: Tensor) -> Tensor:
        mass: Tensor | None = None
        sources = _SourceMap.identity(x) if self._observer else None
        blocks = cast(list[Block], list(self._modules.values()))
        for layer, (block, rate) in enumerate(zip(blocks, self._method.schedule(len(blocks)))):
            r = tokens_to_merge(rate, x.shape[1] - self._num_prefix)
            if r == 0 and mass is None:
                x, reduction, sharp = block(x), None, None  # nothing has merged yet: the block as it is
            else:
                x, mass, reduction, sharp = _run_block(block, x, mass, self._method, r, self._num_prefix, layer)
            if sources is not None and self._observer is not None:
                sources = sources.follow(reduction)
                plan, weight = (reduction.plan, reduction.source_weight) if reduction else (None, None)
                self._observer(LayerRecord(layer, x, mass, plan, sharp, weight, sources.owner, sources.share))
        return x

    def __iter__(self) -> Iterator[nn.Module]:
        raise RuntimeError(
            "token merging is applied, but this model walks through its blocks one by one (an attention mask or "
            "intermediate features were asked for), which would run them unmerged"
        )


@dataclass(frozen=True)
class _SourceMap:
    owner: Tensor
    share: Tensor

    @classmethod
    def identity(cls, x: Tensor) -> "_SourceMap":
        batch, num_tokens, _ = x.shape
        owner = torch.arange(num_tokens, device=x.device).repeat(batch, 1)
        return cls(owner, torch.ones(batch, num_tokens, device=x.device))

    def follow(self, reduction: Reduction | None) -> "_SourceMap":
        if reduction is None:
            return self
        plan, share = reduction.plan, self.share
        if reduction.source_weight is not None:
            weight = torch.ones_like(reduction.source_weight)
            _, moving, _ = plan.split(weight)  # a view
            moving.scatter_(1, plan.source, plan.split(reduction.source_weight)[1].gather(1, plan.source))
            share = share * weight.gather(1, self.owner)
        return _SourceMap(plan.positions().gather(1, self.owner), share)


def apply(model: nn.Module, method: Method, *, observer: Observer | None = None) -> None:
    """Make ``model`` run with ``method`` until :func:`remove`; a method that was applied before is replaced.

    Args:
        model: A timm ``VisionTransformer``, or any module that holds exactly one ``nn.Sequential`` named ``blocks``
            made of timm ``Block``s.
        method: What to apply.
        observer: Called after each layer of each forward pass with a :class:`LayerRecord`; asking for it turns source
            tracking on.

    Raises:
        ValueError: The model is not built that way, checkpoints its gradients, or is less deep than the schedule.
    """
    owner, blocks = _find_blocks(model)
    method.schedule(len(blocks))  # raises if it does not fit
    if getattr(owner, "grad_checkpointing", False):
        raise ValueError("token merging does not run under gradient checkpointing: call set_grad_checkpointing(False)")
    remove(model)
    blocks.__class__ = _MergingBlocks
    merging_blocks = cast(_MergingBlocks, blocks)
    merging_blocks._method, merging_blocks._observer = method, observer
    merging_blocks._num_prefix = getattr(owner, "num_prefix_tokens", 0)


def remove(model: nn.Module) -> None:
    """Take the method off; the model is then exactly what it was. Does nothing if none is applied."""
    for module in model.modules():
        if isinstance(module, _MergingBlocks):
            del module._method, module._observer, module._num_prefix
            module.__class__ = nn.Sequential  # type: ignore[assignment]


@contextmanager
def merging(model: nn.Module, method: Method, *, observer: Observer | None = None) -> Iterator[nn.Module]:
    """Run ``model`` with ``method`` inside a ``with`` block, then as before; see :func:`apply`."""
    outer = next((m for m in model.modules() if isinstance(m, _MergingBlocks)), None)
    before = (outer._method, outer._observer) if outer is not None else None
    apply(model, method, observer=observer)
    try:
        yield model
    finally:
        remove(model)
        if before is not None:
            apply(model, before[0], observer=before[1])


def _find_blocks(model: nn.Module) -> tuple[nn.Module, nn.Sequential]:
    """The ViT inside a model, and its blocks."""
    owners = [m for m in model.modules() if type(getattr(m, "blocks", None)) in (nn.Sequential, _MergingBlocks)]
    name = type(model).__name__
    if len(owners) != 1:
        raise ValueError(f"{name} holds {len(owners)} nn.Sequential named `blocks`; pass the one ViT to merge in")
    blocks = cast(nn.Sequential, owners[0].blocks)
    for layer, block in enumerate(blocks._modules.values()):
        attention = type(getattr(block, "attn", None))
        if type(block) is not Block or attention is not Attention:
            raise ValueError(
                f"layer {layer} of {name} is a {type(block).__name__} with {attention.__name__}; "
                "merging knows timm's Block with Attention"
            )
    return owners[0], blocks


def _run_block(
    block: Block, x: Tensor, mass: Tensor | None, method: Method, r: int, num_prefix: int, layer: int
) -> tuple[Tensor, Tensor | None, Reduction | None, Tensor | None]:
    most = max_mergeable(x.shape[1], num_prefix)
    if r > most:
        warnings.warn(f"r={r} at layer {layer + 1} exceeds half of {x.shape[1]} tokens; {most} merge", stacklevel=2)
    log_mass = mass.log() if mass is not None and method.proportional_attention else None
    want_sharpness = method.needs_sharpness and min(r, most) > 0
    attended, keys, sharp = _attention(
        cast(Attention, block.attn), block.norm1(x), log_mass, num_prefix if want_sharpness else None
    )
    x = x + block.drop_path1(block.ls1(attended))
    reduction = method.reduce(LayerView(x, keys, sharp, mass, num_prefix), r) if r else None
    if reduction is not None:
        x, mass = reduction.tokens, reduction.mass
    x = x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))
    return x, mass, reduction, sharp


def _attention(
    attn: Attention, x: Tensor, log_mass: Tensor | None, sharpness_from: int | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What timm's ``Attention.forward`` does, through :func:`attend`; also returns keys and sharpness."""
    batch, num_tokens, _ = x.shape
    query, key, value = attn.qkv(x).reshape(batch, num_tokens, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key = attn.q_norm(query), attn.k_norm(key)
    dropout = attn.attn_drop.p if attn.training else 0.0
    output, sharp = attend(
        query, key, value, scale=attn.scale, log_mass=log_mass, sharpness_from=sharpness_from, dropout=dropout
    )
    output = output.transpose(1, 2).reshape(batch, num_tokens, -1)  # [b, h, n, e] -> [b, n, h * e]
    output = getattr(attn, "norm", nn.Identity())(output)
    gate = getattr(attn, "gate", None)
    if gate is not None:
        output = output * gate(x).sigmoid()
    return attn.proj_drop(attn.proj(output)), key, sharp
