"""One pass of tokens through the layers of a model, with a method at work in each.

What a pass needs (masses, scores, source maps) is local to it, so nothing leaks from one batch, model or thread to
another, nor out of an exception.
"""

import warnings
from dataclasses import dataclass
from itertools import chain

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vidtldr.merging.blocks import MergeableBlock
from vidtldr.merging.clip_input import take_clips
from vidtldr.merging.method import Method
from vidtldr.merging.pooling import leave_mass
from vidtldr.merging.rollout_pass import maps_to_fill, take_scores
from vidtldr.merging.run import Done, Place, Tokens, reduce_input, run_layer, run_unreduced
from vidtldr.merging.schedule import Rate, tokens_to_merge
from vidtldr.merging.trace import INPUT, LayerRecord, Observer, SourceMap


@dataclass(frozen=True)
class Applied:
    """What is applied to the layers of a model.

    Attributes:
        method: The method.
        observer: Who is told of each layer.
        num_prefix: Prefix tokens.
        hooks: Those that are removed with the method.
        leaves_mass: Whether something behind the layers asks for the masses of the tokens.
    """

    method: Method
    observer: Observer | None
    num_prefix: int
    hooks: list[RemovableHandle]
    leaves_mass: bool


class ForwardPass:
    """A pass that is under way: its layers run one by one, in their order."""

    def __init__(self, layers: nn.Module, applied: Applied, depth: int, x: Tensor, *, positioned: bool = False) -> None:
        """Take the tokens that enter the first layer.

        Args:
            layers: The container of the layers; what hooks leave for a pass, they leave under it.
            applied: What is applied to it.
            depth: Layers of the model.
            x: Tokens, ``[b, n, c]``.
            positioned: Whether layers get something beside their tokens that belongs to each of these.
        """
        self._layers, self._applied, self._depth = layers, applied, depth
        method = applied.method
        self._maps = maps_to_fill(layers)
        self._rates = method.schedule(depth)
        self._tokens = Tokens(x, positioned=positioned)
        self._clips, self._sources = None, None
        if self._maps is not None:
            return
        if any(self._rates) and any(_has_hooks(layer) for layer in layers._modules.values()):
            warnings.warn("forward hooks on layers do not fire where tokens go: pass an observer", stacklevel=4)
        self._clips = take_clips(layers) if method.needs_clips else None
        score = take_scores(layers) if method.needs_first_pass else None
        self._tokens = Tokens(x, score=score, positioned=positioned)
        self._sources = SourceMap.identity(x) if applied.observer else None
        if method.reduces_input:
            self._tokens, done = reduce_input(self._tokens, method, self._place(0))
            self._tell(INPUT, done)

    def run(self, layer: int, block: MergeableBlock) -> Tensor:
        """Run a layer, and give what enters the next one, ``[b, n', c]``.

        Args:
            layer: Its index, 0-based.
            block: The layer.
        """
        if self._maps is not None:
            self._tokens = Tokens(run_unreduced([block], self._tokens.x, self._maps))
            return self._tokens.x
        applied = self._applied
        rate, next_rate, *_ = chain(self._rates[layer:], [0])
        r = self._tokens_to_go(rate, layer)
        self._tokens, done = run_layer(
            block, self._tokens, applied.method, r, next_reduces=next_rate > 0, place=self._place(layer)
        )
        self._tell(layer, done)
        if layer == self._depth - 1 and applied.leaves_mass:
            leave_mass(self._layers, self._tokens.mass)
        return self._tokens.x

    def _place(self, layer: int) -> Place:
        return Place(layer, self._depth, self._applied.num_prefix, self._clips)

    def _tokens_to_go(self, rate: Rate, layer: int) -> int:
        method, num_prefix, num_tokens = self._applied.method, self._applied.num_prefix, self._tokens.x.shape[1]
        r = tokens_to_merge(rate, num_tokens - num_prefix)
        most = method.most(num_tokens, num_prefix)
        if r > most:
            excess = method.describe_most(num_tokens, num_prefix)
            warnings.warn(f"r={r} at layer {layer + 1} exceeds {excess}", stacklevel=4)
        return min(r, most)

    def _tell(self, layer: int, done: Done) -> None:
        """Tell the observer, if there is one, and keep track of where each input token is."""
        applied, tokens = self._applied, self._tokens
        if self._sources is None or applied.observer is None:
            return
        self._sources = self._sources.follow(done.reduction)
        weight = done.reduction.source_weight if done.reduction else None
        score = done.score[:, applied.num_prefix :] if done.score is not None else None
        is_sharpness = applied.method.statistic in ("sharpness", "head_sharpness")
        applied.observer(
            LayerRecord(
                layer=layer,
                tokens=tokens.x,
                mass=tokens.mass,
                plan=done.reduction.plan if done.reduction else None,
                sharpness=score if weight is not None and is_sharpness else None,
                score=score,
                source_weight=weight,
                owner=self._sources.owner,
                share=self._sources.share,
            )
        )


def _has_hooks(layer: nn.Module | None) -> bool:
    return layer is not None and bool(layer._forward_hooks or layer._forward_pre_hooks)
