"""Put a method on a model built from transformer blocks, and take it off without a trace.

Only the container of the blocks is touched: its class is swapped for one that runs the blocks with merging in
between. Some methods also need hooks on the ViT: for attention rollout (``rollout_pass.py``), to see the clip itself
(``clip_input.py``), or to weight the last mean (``pooling.py``). What a forward pass needs (masses, scores, source
maps) are local values of that run, so nothing can leak from one batch, model or thread to another, nor out of an
exception; parameters and their names stay as they are.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vidtldr.merging.blocks import MergeableBlock, Stack, find_stack, in_parts
from vidtldr.merging.clip_input import patch_of, take_clips, watch_embedding
from vidtldr.merging.method import Method
from vidtldr.merging.pooling import leave_mass, weight_the_mean
from vidtldr.merging.rollout_pass import maps_to_fill, run_first_pass, take_scores
from vidtldr.merging.run import Done, Place, Tokens, reduce_input, run_layer, run_unreduced
from vidtldr.merging.schedule import Rate, tokens_to_merge
from vidtldr.merging.trace import INPUT, LayerRecord, Observer, SourceMap


class _MergingBlocks(nn.Sequential):
    """The blocks of a ViT while a method is applied."""

    _method: Method
    _num_prefix: int
    _observer: Observer | None
    _hooks: list[RemovableHandle]

    def forward(self, x: Tensor) -> Tensor:
        blocks = [cast(MergeableBlock, in_parts(block)) for block in self._modules.values()]  # find_stack knew them
        maps = maps_to_fill(self)
        if maps is not None:
            return run_unreduced(blocks, x, maps)
        method = self._method
        clips = take_clips(self) if method.needs_clips else None
        tokens = Tokens(x, score=take_scores(self) if method.needs_first_pass else None)
        sources = SourceMap.identity(x) if self._observer else None
        if method.reduces_input:
            tokens, done = reduce_input(tokens, method, Place(0, len(blocks), self._num_prefix, clips))
            sources = self._tell(INPUT, tokens, done, sources)
        rates = method.schedule(len(blocks))
        for layer, (block, rate, next_rate) in enumerate(zip(blocks, rates, [*rates[1:], 0])):
            r = self._tokens_to_go(rate, tokens.x.shape[1], layer)
            place = Place(layer, len(blocks), self._num_prefix, clips)
            tokens, done = run_layer(block, tokens, method, r, next_reduces=next_rate > 0, place=place)
            sources = self._tell(layer, tokens, done, sources)
        if method.pooling == "mass":
            leave_mass(self, tokens.mass)
        return tokens.x

    def _tokens_to_go(self, rate: Rate, num_tokens: int, layer: int) -> int:
        r = tokens_to_merge(rate, num_tokens - self._num_prefix)
        most = self._method.most(num_tokens, self._num_prefix)
        if r > most:
            excess = self._method.describe_most(num_tokens, self._num_prefix)
            warnings.warn(f"r={r} at layer {layer + 1} exceeds {excess}", stacklevel=3)
        return min(r, most)

    def _tell(self, layer: int, tokens: Tokens, done: Done, sources: SourceMap | None) -> SourceMap | None:
        """Tell the observer, if there is one, and keep track of where each input token is."""
        if sources is None or self._observer is None:
            return None
        sources = sources.follow(done.reduction)
        weight = done.reduction.source_weight if done.reduction else None
        score = done.score[:, self._num_prefix :] if done.score is not None else None
        is_sharpness = self._method.statistic in ("sharpness", "head_sharpness")
        self._observer(
            LayerRecord(
                layer=layer,
                tokens=tokens.x,
                mass=tokens.mass,
                plan=done.reduction.plan if done.reduction else None,
                sharpness=score if weight is not None and is_sharpness else None,
                score=score,
                source_weight=weight,
                owner=sources.owner,
                share=sources.share,
            )
        )
        return sources

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
    if method.needs_clips and len(patch_of(stack.owner)) < 3 and method.reduces_input:
        raise ValueError(f"{method.name} compares the frames of a clip, but {type(stack.owner).__name__} takes images")
    hooks = _hooks(stack, method)
    _take_off(stack.blocks)
    stack.blocks.__class__ = _MergingBlocks
    merging_blocks = cast(_MergingBlocks, stack.blocks)
    merging_blocks._method, merging_blocks._observer = method, observer
    merging_blocks._num_prefix, merging_blocks._hooks = stack.num_prefix, hooks


def _hooks(stack: Stack, method: Method) -> list[RemovableHandle]:
    """What a method needs to know from outside the blocks, and to do there; none is left if one cannot be."""
    hooks = weight_the_mean(stack.owner, stack.blocks, stack.num_prefix) if method.pooling == "mass" else []
    if method.needs_clips:  # which the caller has checked
        hooks.append(watch_embedding(stack.owner, stack.blocks))
    if method.needs_first_pass:
        hooks.append(stack.owner.register_forward_pre_hook(run_first_pass, with_kwargs=True))
    return hooks


def _take_off(module: nn.Module) -> None:
    if isinstance(module, _MergingBlocks):
        for hook in module._hooks:
            hook.remove()
        del module._method, module._observer, module._num_prefix, module._hooks
        module.__class__ = nn.Sequential  # type: ignore[assignment]
