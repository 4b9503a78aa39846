"""Put a method on a model built from transformer blocks, and take it off without a trace.

Only the container of the blocks is touched: its class is swapped for one that runs the blocks with merging in
between. Some methods also need hooks on the ViT: for attention rollout (``rollout_pass.py``), to see the clip itself
(``clip_input.py``), or to weight the last mean (``pooling.py``). What a forward pass needs (masses, scores, source
maps) are local values of that run, so nothing can leak from one batch, model or thread to another, nor out of an
exception; parameters and their names stay as they are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vidtldr.merging.block_kinds.attention_pools import weigh_attention_pools
from vidtldr.merging.blocks import MergeableBlock, Stack, find_stack, in_parts
from vidtldr.merging.clip_input import patch_of, watch_embedding
from vidtldr.merging.forward_pass import Applied, ForwardPass
from vidtldr.merging.layer_list import MergingList
from vidtldr.merging.method import Method
from vidtldr.merging.pooling import mass_left_by, weight_the_mean
from vidtldr.merging.rollout_pass import run_first_pass
from vidtldr.merging.trace import Observer

_ONE_BY_ONE = (
    "token merging is applied, but this model walks through its blocks one by one (an attention mask, intermediate "
    "features or a part of the blocks were asked for), which would run them unmerged"
)


class _MergingBlocks(nn.Sequential):
    """The blocks of a ViT while a method is applied."""

    _applied: Applied

    def forward(self, x: Tensor) -> Tensor:
        blocks = [cast(MergeableBlock, in_parts(block)) for block in self._modules.values()]  # find_stack knew them
        under_way = ForwardPass(self, self._applied, len(blocks), x)
        for layer, block in enumerate(blocks):
            x = under_way.run(layer, block)
        return x

    def __iter__(self) -> Iterator[nn.Module]:
        raise RuntimeError(_ONE_BY_ONE)

    def __getitem__(self, index: int | slice) -> Any:
        """A single block as it is; a slice would run unmerged."""
        if isinstance(index, slice):
            raise RuntimeError(_ONE_BY_ONE)
        return super().__getitem__(index)


def apply(model: nn.Module, method: Method, *, observer: Observer | None = None) -> None:
    """Make ``model`` run with ``method`` until :func:`remove`; a method that was applied before is replaced.

    Args:
        model: A timm ``VisionTransformer``, or any module that holds exactly one ``nn.Sequential`` named ``blocks``
            made of timm ``Block``s, or of blocks with the parts of a :class:`~vidtldr.merging.blocks.MergeableBlock`;
            or one that holds exactly one list of layers of timm's ``Eva`` or of a Hugging Face vision encoder.
        method: What to apply.
        observer: Called after each layer of each forward pass with a :class:`LayerRecord`; asking for it turns source
            tracking on.

    Raises:
        ValueError: The model is not built that way, checkpoints its gradients, or is less deep than the schedule.
    """
    _put_on(model, _stack_of(model), method, observer)


def remove(model: nn.Module) -> None:
    """Take the method off; the model is then exactly what it was. Does nothing if none is applied."""
    for module in model.modules():
        _take_off(module)


@contextmanager
def merging(model: nn.Module, method: Method, *, observer: Observer | None = None) -> Iterator[nn.Module]:
    """Run ``model`` with ``method`` inside a ``with`` block, then as before; see :func:`apply`."""
    stack = _stack_of(model)
    blocks = stack.blocks
    before = blocks._applied if isinstance(blocks, (_MergingBlocks, MergingList)) else None
    _put_on(model, stack, method, observer)
    try:
        yield model
    finally:
        _take_off(blocks)
        if before is not None:
            _put_on(model, stack, before.method, before.observer)


def _stack_of(model: nn.Module) -> Stack:
    return find_stack(model, container=_MergingBlocks, layer_list=MergingList)


def _put_on(model: nn.Module, stack: Stack, method: Method, observer: Observer | None) -> None:
    method.schedule(len(stack.blocks))  # raises if it does not fit
    if stack.checkpoints_gradients:
        raise ValueError("token merging does not run under gradient checkpointing: call set_grad_checkpointing(False)")
    if method.needs_clips and method.reduces_input and len(patch_of(stack.owner)) < 3:
        raise ValueError(f"{method.name} compares the frames of a clip, but {type(stack.owner).__name__} takes images")
    hooks = _hooks(stack, method)
    pools: list[RemovableHandle] = []
    if method.proportional_attention:
        pools = weigh_attention_pools(model, partial(mass_left_by, stack.blocks))
    _take_off(stack.blocks)
    stack.blocks.__class__ = _MergingBlocks if isinstance(stack.blocks, nn.Sequential) else MergingList
    merging_blocks = cast(_MergingBlocks | MergingList, stack.blocks)
    leaves_mass = method.pooling == "mass" or bool(pools)
    merging_blocks._applied = Applied(method, observer, stack.num_prefix, hooks + pools, leaves_mass)


def _hooks(stack: Stack, method: Method) -> list[RemovableHandle]:
    """What a method needs to know from outside the blocks, and to do there; none is left if one cannot be."""
    hooks = weight_the_mean(stack.owner, stack.blocks, stack.num_prefix) if method.pooling == "mass" else []
    if method.needs_clips:  # which the caller has checked
        hooks.append(watch_embedding(stack.owner, stack.blocks))
    if method.needs_first_pass:
        run_first = partial(run_first_pass, stack.blocks)
        hooks.append(stack.owner.register_forward_pre_hook(run_first, with_kwargs=True))
    return hooks


def _take_off(module: nn.Module) -> None:
    if isinstance(module, (_MergingBlocks, MergingList)):
        for hook in module._applied.hooks:
            hook.remove()
        del module._applied
        module.__class__ = nn.Sequential if isinstance(module, nn.Sequential) else nn.ModuleList  # type: ignore[assignment]
