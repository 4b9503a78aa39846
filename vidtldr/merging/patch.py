"""Put a method on a model built from timm blocks, and take it off without a trace.

Only the container of the blocks is touched: its class is swapped for one that runs the blocks with merging in
between (and for attention rollout the ViT gets a hook, see ``first_pass.py``). What a forward pass needs (masses,
scores, source maps) are local values of that run, so nothing can leak from one batch, model or thread to another, nor
out of an exception; parameters and their names stay as they are.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

from timm.models.vision_transformer import Attention, Block
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vidtldr.merging.attention.attend import Statistic, attend
from vidtldr.merging.matching import MergePlan
from vidtldr.merging.methods import LayerView, Method, Reduction
from vidtldr.merging.plans import PrunePlan
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
        blocks = cast(list[Block], list(self._modules.values()))
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
        plan = reduction.plan if reduction else None
        score = done.score[:, self._num_prefix :] if done.score is not None else None
        return LayerRecord(
            layer=layer,
            tokens=tokens.x,
            mass=tokens.mass,
            plan=plan,
            sharpness=score if isinstance(plan, MergePlan) else None,
            score=score if isinstance(plan, PrunePlan) else None,
            source_weight=reduction.source_weight if reduction else None,
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
            made of timm ``Block``s.
        method: What to apply.
        observer: Called after each layer of each forward pass with a :class:`LayerRecord`; asking for it turns source
            tracking on.

    Raises:
        ValueError: The model is not built that way, checkpoints its gradients, or is less deep than the schedule.
    """
    _put_on(*_find_blocks(model), method, observer)


def remove(model: nn.Module) -> None:
    """Take the method off; the model is then exactly what it was. Does nothing if none is applied."""
    for module in model.modules():
        _take_off(module)


@contextmanager
def merging(model: nn.Module, method: Method, *, observer: Observer | None = None) -> Iterator[nn.Module]:
    """Run ``model`` with ``method`` inside a ``with`` block, then as before; see :func:`apply`."""
    owner, blocks = _find_blocks(model)
    before = (blocks._method, blocks._observer) if isinstance(blocks, _MergingBlocks) else None
    _put_on(owner, blocks, method, observer)
    try:
        yield model
    finally:
        _take_off(blocks)
        if before is not None:
            _put_on(owner, blocks, *before)


def _put_on(owner: nn.Module, blocks: nn.Sequential, method: Method, observer: Observer | None) -> None:
    method.schedule(len(blocks))  # raises if it does not fit
    if getattr(owner, "grad_checkpointing", False):
        raise ValueError("token merging does not run under gradient checkpointing: call set_grad_checkpointing(False)")
    _take_off(blocks)
    blocks.__class__ = _MergingBlocks
    merging_blocks = cast(_MergingBlocks, blocks)
    merging_blocks._method, merging_blocks._observer = method, observer
    merging_blocks._num_prefix = getattr(owner, "num_prefix_tokens", 0)
    merging_blocks._first_pass = (
        owner.register_forward_pre_hook(run_first_pass, with_kwargs=True) if method.needs_first_pass else None
    )


def _take_off(module: nn.Module) -> None:
    if isinstance(module, _MergingBlocks):
        if module._first_pass is not None:
            module._first_pass.remove()
        del module._method, module._observer, module._num_prefix, module._first_pass
        module.__class__ = nn.Sequential  # type: ignore[assignment]


def _find_blocks(model: nn.Module) -> tuple[nn.Module, nn.Sequential]:
    """The ViT inside a model, and its blocks."""
    owners = [m for m in model.modules() if type(m._modules.get("blocks")) in (nn.Sequential, _MergingBlocks)]
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


def _run_block(block: Block, tokens: _Tokens, method: Method, r: int, num_prefix: int) -> tuple[_Tokens, _Layer]:
    """A block that gives up ``r`` tokens between attention and MLP."""
    reduced, done = _attend_and_reduce(block, tokens, method, r, num_prefix)
    x = reduced.x + block.drop_path2(block.ls2(block.mlp(block.norm2(reduced.x))))
    return replace(reduced, x=x), done


def _attend_and_reduce(
    block: Block, tokens: _Tokens, method: Method, r: int, num_prefix: int
) -> tuple[_Tokens, _Layer]:
    """The first half of a block; a function of its own, so that keys and values are freed before the MLP."""
    x, mass = tokens.x, tokens.mass
    log_mass = mass.log() if mass is not None and method.proportional_attention else None
    attended, keys, read = _attention(
        cast(Attention, block.attn), block.norm1(x), log_mass, method.statistic if r > 0 else None
    )
    x = x + block.drop_path1(block.ls1(attended))
    score = read if method.statistic else tokens.score
    reduction = method.reduce(LayerView(x, keys, score, mass, num_prefix), r) if r else None
    return _reduce(_Tokens(x, mass, score), reduction), _Layer(reduction, score if reduction else None)


def _run_after_reducing(
    block: Block, tokens: _Tokens, method: Method, r: int, next_reduces: bool, num_prefix: int
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
    score = tokens.score
    if score is not None:
        score = reduction.plan.take(score) if isinstance(reduction.plan, PrunePlan) else None
    return _Tokens(reduction.tokens, reduction.mass, score)


def _run_unreduced(blocks: list[Block], x: Tensor, maps: list[Tensor]) -> Tensor:
    """Run the blocks as they are, and put the head-averaged attention of each into ``maps``."""
    for block in blocks:
        x, attention = _run_and_read(block, x, "map")
        maps.append(attention)
    return x


def _run_and_read(block: Block, x: Tensor, statistic: Statistic) -> tuple[Tensor, Tensor]:
    """A block as it is, and a statistic of its attention."""
    attended, _, read = _attention(cast(Attention, block.attn), block.norm1(x), None, statistic)
    assert read is not None  # asked for
    x = x + block.drop_path1(block.ls1(attended))
    return x + block.drop_path2(block.ls2(block.mlp(block.norm2(x)))), read


def _attention(
    attn: Attention, x: Tensor, log_mass: Tensor | None, statistic: Statistic | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What timm's ``Attention.forward`` does, through :func:`attend`; also returns keys and the statistic."""
    batch, num_tokens, _ = x.shape
    query, key, value = attn.qkv(x).reshape(batch, num_tokens, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key = attn.q_norm(query), attn.k_norm(key)
    dropout = attn.attn_drop.p if attn.training else 0.0
    output, read = attend(query, key, value, scale=attn.scale, log_mass=log_mass, statistic=statistic, dropout=dropout)
    output = output.transpose(1, 2).reshape(batch, num_tokens, -1)  # [b, h, n, e] -> [b, n, h * e]
    output = getattr(attn, "norm", nn.Identity())(output)
    gate = getattr(attn, "gate", None)
    if gate is not None:
        output = output * gate(x).sigmoid()
    return attn.proj_drop(attn.proj(output)), key, read
