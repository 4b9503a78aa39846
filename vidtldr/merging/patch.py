"""Put a method on a model built from transformer blocks, and take it off without a trace.

Only the container of the blocks is touched: its class is swapped for one that runs the blocks with merging in
between (and for attention rollout the ViT gets a hook, see ``rollout_pass.py``). What a forward pass needs (masses,
scores, source maps) are local values of that run, so nothing can leak from one batch, model or thread to another, nor
out of an exception; parameters and their names stay as they are.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vidtldr.merging.attention.attend import Statistic
from vidtldr.merging.blocks import MergeableBlock, Stack, find_stack, in_parts, run_attention
from vidtldr.merging.method import LayerView, Method, Reduction
from vidtldr.merging.rollout_pass import maps_to_fill, run_first_pass, take_scores
from vidtldr.merging.schedule import Rate, tokens_to_merge
from vidtldr.merging.trace import LayerRecord, Observer, SourceMap


@dataclass(frozen=True)
class _Tokens:
    """Tokens between two layers.

    Attributes:
        x: ``[b, n, c]``.
        mass: ``[b, n]``; ``None`` means 1 each.
        score: What the next layer may rank by, ``[b, n]``: the rollout, or what the last layer's attention said.
    """

    x: Tensor
    mass: Tensor | None = None
    score: Tensor | None = None


@dataclass(frozen=True)
class _Layer:
    """What happened in a layer."""

    reduction: Reduction | None = None
    score: Tensor | None = None


class _MergingBlocks(nn.Sequential):
    """The blocks of a ViT while a method is applied."""

    _method: Method
    _num_prefix: int
    _observer: Observer | None
    _first_pass: RemovableHandle | None

    def forward(self, x: Tensor) -> Tensor:
        blocks = [cast(MergeableBlock, in_parts(block)) for block in self._modules.values()]  # find_stack knew them
        maps = maps_to_fill(self)
        if maps is not None:
            return _run_unreduced(blocks, x, maps)
        tokens = _Tokens(x, score=take_scores(self) if self._method.needs_first_pass else None)
        sources = SourceMap.identity(x) if self._observer else None
        rates = self._method.schedule(len(blocks))
        for layer, (block, rate, next_rate) in enumerate(zip(blocks, rates, [*rates[1:], 0])):
            r = self._tokens_to_go(rate, tokens.x.shape[1], layer)
            if self._method.before == "layer":
                tokens, done = _run_after_reducing(block, tokens, self._method, r, next_rate > 0, self._num_prefix)
            elif r == 0 and tokens.mass is None:
                tokens, done = replace(tokens, x=block(tokens.x)), _Layer()  # nothing has gone: the block as it is
            else:
                tokens, done = _run_block(block, tokens, self._method, r, self._num_prefix)
            if sources is not None and self._observer is not None:
                sources = sources.follow(done.reduction)
                self._observer(self._record(layer, tokens, done, sources))
        return tokens.x

    def _tokens_to_go(self, rate: Rate, num_tokens: int, layer: int) -> int:
        r = tokens_to_merge(rate, num_tokens - self._num_prefix)
        most = self._method.most(num_tokens, self._num_prefix)
        if r > most:
            excess = self._method.describe_most(num_tokens, self._num_prefix)
            warnings.warn(f"r={r} at layer {layer + 1} exceeds {excess}", stacklevel=3)
        return min(r, most)

    def _record(self, layer: int, tokens: _Tokens, done: _Layer, sources: SourceMap) -> LayerRecord:
        reduction = done.reduction
        weight = reduction.source_weight if reduction else None
        score = done.score[:, self._num_prefix :] if done.score is not None else None
        return LayerRecord(
            layer=layer,
            tokens=tokens.x,
            mass=tokens.mass,
            plan=reduction.plan if reduction else None,
            sharpness=score if weight is not None and self._method.statistic == "sharpness" else None,
            score=score,
            source_weight=weight,
            owner=sources.owner,
            share=sources.share,
        )

    def __iter__(self) -> Iterator[nn.Module]:
        raise RuntimeError(
            "token merging is applied, but this model walks through its blocks one by one (an attention mask or "
            "intermediate features were asked for), which would run them unmerged"
        )


def apply(model: nn.Module, method: Method, *, observer: Observer | None = None) -> None:
    """Make ``model`` run with ``method`` until :func:`remove`; a method that was applied before is replaced.

    Args:
        model: A timm ``VisionTransformer``, or any module that holds exactly one ``nn.Sequential`` named ``blocks``
            made of timm ``Block``s, or of blocks with the parts of a :class:`~vidtldr.merging.blocks.MergeableBlock`.
        method: What to apply.
        observer: Called after each layer of each forward pass with a :class:`LayerRecord`; asking for it turns source
            tracking on.

    Raises:
        ValueError: The model is not built that way, checkpoints its gradients, or is less deep than the schedule.
    """
    _put_on(find_stack(model, container=_MergingBlocks), method, observer)


def remove(model: nn.Module) -> None:
    """Take the method off; the model is then exactly what it was. Does nothing if none is applied."""
    for module in model.modules():
        _take_off(module)


@contextmanager
def merging(model: nn.Module, method: Method, *, observer: Observer | None = None) -> Iterator[nn.Module]:
    """Run ``model`` with ``method`` inside a ``with`` block, then as before; see :func:`apply`."""
    stack = find_stack(model, container=_MergingBlocks)
    blocks = stack.blocks
    before = (blocks._method, blocks._observer) if isinstance(blocks, _MergingBlocks) else None
    _put_on(stack, method, observer)
    try:
        yield model
    finally:
        _take_off(blocks)
        if before is not None:
            _put_on(stack, *before)


def _put_on(stack: Stack, method: Method, observer: Observer | None) -> None:
    method.schedule(len(stack.blocks))  # raises if it does not fit
    if stack.checkpoints_gradients:
        raise ValueError("token merging does not run under gradient checkpointing: call set_grad_checkpointing(False)")
    _take_off(stack.blocks)
    stack.blocks.__class__ = _MergingBlocks
    merging_blocks = cast(_MergingBlocks, stack.blocks)
    merging_blocks._method, merging_blocks._observer = method, observer
    merging_blocks._num_prefix = stack.num_prefix
    merging_blocks._first_pass = (
        stack.owner.register_forward_pre_hook(run_first_pass, with_kwargs=True) if method.needs_first_pass else None
    )


def _take_off(module: nn.Module) -> None:
    if isinstance(module, _MergingBlocks):
        if module._first_pass is not None:
            module._first_pass.remove()
        del module._method, module._observer, module._num_prefix, module._first_pass
        module.__class__ = nn.Sequential  # type: ignore[assignment]


def _run_block(
    block: MergeableBlock, tokens: _Tokens, method: Method, r: int, num_prefix: int
) -> tuple[_Tokens, _Layer]:
    """A block that gives up ``r`` tokens between attention and MLP."""
    reduced, done = _attend_and_reduce(block, tokens, method, r, num_prefix)
    return replace(reduced, x=block.add_mlp(reduced.x)), done


def _attend_and_reduce(
    block: MergeableBlock, tokens: _Tokens, method: Method, r: int, num_prefix: int
) -> tuple[_Tokens, _Layer]:
    """The first half of a block; a function of its own, so that keys and values are freed before the MLP."""
    mass = tokens.mass
    log_mass = mass.log() if mass is not None and method.proportional_attention else None
    x, keys, read = run_attention(block, tokens.x, log_mass=log_mass, statistic=method.statistic if r > 0 else None)
    score = read if method.statistic else tokens.score
    reduction = method.reduce(LayerView(x, keys, score, mass, num_prefix), r) if r else None
    carried = None if method.statistic else score  # the next layer reads its own
    return _reduce(_Tokens(x, mass, carried), reduction), _Layer(reduction, score if reduction else None)


def _run_after_reducing(
    block: MergeableBlock, tokens: _Tokens, method: Method, r: int, next_reduces: bool, num_prefix: int
) -> tuple[_Tokens, _Layer]:
    """A block that gives up ``r`` tokens at its entrance; its attention ranks those of the next."""
    reduction = method.reduce(LayerView(tokens.x, None, tokens.score, tokens.mass, num_prefix), r) if r else None
    done = _Layer(reduction, tokens.score if reduction else None)
    tokens = _reduce(tokens, reduction)
    if method.statistic is None or not next_reduces:
        return replace(tokens, x=block(tokens.x)), done
    x, score = _run_and_read(block, tokens.x, method.statistic)
    return replace(tokens, x=x, score=score), done


def _reduce(tokens: _Tokens, reduction: Reduction | None) -> _Tokens:
    if reduction is None:
        return tokens
    if not isinstance(reduction, Reduction):
        raise TypeError(f"a method's reduce gave {type(reduction).__name__}: it must give a Reduction or None")
    given, kept = reduction.tokens.shape[1], reduction.plan.num_kept
    if given != kept:
        raise ValueError(f"a method's reduce gave {given} tokens with a plan that keeps {kept}")
    score = tokens.score
    return _Tokens(reduction.tokens, reduction.mass, None if score is None else reduction.plan.take(score))


def _run_unreduced(blocks: list[MergeableBlock], x: Tensor, maps: list[Tensor]) -> Tensor:
    """Run the blocks as they are, and put the head-averaged attention of each into ``maps``."""
    for block in blocks:
        x, attention = _run_and_read(block, x, "map")
        maps.append(attention)
    return x


def _run_and_read(block: MergeableBlock, x: Tensor, statistic: Statistic) -> tuple[Tensor, Tensor]:
    """A block as it is, and a statistic of its attention."""
    x, _, read = run_attention(block, x, statistic=statistic)
    assert read is not None  # asked for
    return block.add_mlp(x), read
