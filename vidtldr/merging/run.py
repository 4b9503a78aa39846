"""A layer with tokens going, and what enters the first one."""

from dataclasses import dataclass, replace
from typing import NamedTuple, cast, get_args

from torch import Tensor

from vidtldr.merging.attention.attend import Statistic
from vidtldr.merging.blocks import MergeableBlock, run_attention
from vidtldr.merging.clip_input import Clips
from vidtldr.merging.layer_call import LayerCall
from vidtldr.merging.method import LayerView, Method, Reading, Reduction
from vidtldr.merging.tokens import at_least_float32


@dataclass(frozen=True)
class Tokens:
    """Tokens between two layers.

    Attributes:
        x: ``[b, n, c]``.
        mass: ``[b, n]``; ``None`` means 1 each.
        score: What the next layer may rank by, ``[b, n]``: the rollout, or what the last layer's attention said.
        positioned: Whether layers have to be told where their tokens stood when they entered the first one.
        places: Where that was, ``[b, n]``, int64; ``None`` if all are left, or nobody has to know.
    """

    x: Tensor
    mass: Tensor | None = None
    score: Tensor | None = None
    positioned: bool = False
    places: Tensor | None = None


@dataclass(frozen=True)
class Done:
    """What happened in a layer.

    Attributes:
        reduction: What the method made of it.
        score: What it ranked or weighted tokens by, prefix included.
    """

    reduction: Reduction | None = None
    score: Tensor | None = None


@dataclass(frozen=True)
class Place:
    """Where a layer stands.

    Attributes:
        layer: Its index, 0-based.
        depth: Layers of the model.
        num_prefix: Prefix tokens.
        clips: What the tokens were made of, if the method needs it.
    """

    layer: int
    depth: int
    num_prefix: int
    clips: Clips | None

    def view(self, x: Tensor, keys: Tensor | None, score: Tensor | None, mass: Tensor | None) -> LayerView:
        """What a method sees here."""
        return LayerView(x, keys, score, mass, self.num_prefix, self.layer, self.depth, self.clips)


def run_layer(
    block: MergeableBlock, tokens: Tokens, method: Method, r: int, *, next_reduces: bool, place: Place
) -> tuple[Tokens, Done]:
    """A block that gives up ``r`` tokens.

    Args:
        block: The block.
        tokens: What enters it.
        method: Says which tokens go, and where in the layer.
        r: How many.
        next_reduces: Whether tokens go in the next layer too.
        place: Where the block stands.
    """
    if method.before == "layer":
        return _reduce_and_run(block, tokens, method, r, next_reduces, place)
    if r == 0 and tokens.mass is None:
        return replace(tokens, x=_placed(block, tokens)(tokens.x)), Done()  # nothing has gone: the block as it is
    if method.before == "next":
        return _run_and_reduce(block, tokens, method, r, place)
    reduced, done = _attend_and_reduce(block, tokens, method, r, place)
    return replace(reduced, x=block.add_mlp(reduced.x)), done


def reduce_input(tokens: Tokens, method: Method, place: Place) -> tuple[Tokens, Done]:
    """What is left of the tokens when they enter the first layer."""
    reduction = method.reduce_input(place.view(tokens.x, None, tokens.score, tokens.mass))
    return _reduce(tokens, reduction), Done(reduction)


def run_unreduced(blocks: list[MergeableBlock], x: Tensor, maps: list[Tensor]) -> Tensor:
    """Run the blocks as they are, and put the head-averaged attention of each into ``maps``."""
    for block in blocks:
        halfway = _run_attention(block, Tokens(x), log_mass=None, reading="map")
        assert halfway.score is not None  # asked for
        maps.append(halfway.score)
        x = block.add_mlp(halfway.x)
    return x


class _Halfway(NamedTuple):
    """A block before its feed-forward part: tokens, their keys, and what was read until here."""

    x: Tensor
    keys: Tensor
    score: Tensor | None


def _attend_and_reduce(
    block: MergeableBlock, tokens: Tokens, method: Method, r: int, place: Place
) -> tuple[Tokens, Done]:
    """The first half of a block; a function of its own, so that keys and values are freed before the MLP."""
    reading = method.statistic if r else None
    halfway = _run_attention(block, tokens, log_mass=_log_mass(tokens, method), reading=reading)
    score = halfway.score if method.statistic else tokens.score
    reduction = method.reduce(place.view(halfway.x, halfway.keys, score, tokens.mass), r) if r else None
    return _after(halfway.x, tokens, method, reduction, score)


def _run_and_reduce(block: MergeableBlock, tokens: Tokens, method: Method, r: int, place: Place) -> tuple[Tokens, Done]:
    """A block that gives up tokens behind its MLP."""
    reading = method.statistic if r else None
    halfway = _run_attention(block, tokens, log_mass=_log_mass(tokens, method), reading=reading)
    x = block.add_mlp(halfway.x)
    read = _shift(halfway.x, x) if reading == "mlp_shift" else halfway.score
    score = read if method.statistic else tokens.score
    reduction = method.reduce(place.view(x, halfway.keys, score, tokens.mass), r) if r else None
    return _after(x, tokens, method, reduction, score)


def _reduce_and_run(
    block: MergeableBlock, tokens: Tokens, method: Method, r: int, next_reduces: bool, place: Place
) -> tuple[Tokens, Done]:
    """A block that gives up tokens at its entrance; it ranks those of the next."""
    reduction = method.reduce(place.view(tokens.x, None, tokens.score, tokens.mass), r) if r else None
    done = Done(reduction, tokens.score if reduction else None)
    tokens = _reduce(tokens, reduction)
    if method.statistic is None or not next_reduces:
        return replace(tokens, x=_placed(block, tokens)(tokens.x)), done
    halfway = _run_attention(block, tokens, log_mass=None, reading=method.statistic)
    x = block.add_mlp(halfway.x)
    score = _shift(halfway.x, x) if method.statistic == "mlp_shift" else halfway.score
    return replace(tokens, x=x, score=score), done


def _log_mass(tokens: Tokens, method: Method) -> Tensor | None:
    return tokens.mass.log() if tokens.mass is not None and method.proportional_attention else None


def _run_attention(
    block: MergeableBlock, tokens: Tokens, *, log_mass: Tensor | None, reading: Reading | None
) -> _Halfway:
    """The first half of a block, and what can be read there; nothing of ``mlp_shift`` can."""
    statistic = cast(Statistic, reading) if reading in get_args(Statistic) else None
    x, keys, read = run_attention(_placed(block, tokens), tokens.x, log_mass=log_mass, statistic=statistic)
    return _Halfway(x, keys, _shift(tokens.x, x) if reading == "attention_shift" else read)


def _placed(block: MergeableBlock, tokens: Tokens) -> MergeableBlock:
    """A block that knows where its tokens stood, if it has to."""
    return block if tokens.places is None else replace(cast(LayerCall, block), places=tokens.places)


def _shift(before: Tensor, after: Tensor) -> Tensor:
    """How far each token ``[b, n, c]`` moved, ``[b, n]``, at least float32."""
    length: Tensor = (at_least_float32(after.detach()) - at_least_float32(before.detach())).norm(dim=-1)
    return length


def _after(
    x: Tensor, before: Tokens, method: Method, reduction: Reduction | None, score: Tensor | None
) -> tuple[Tokens, Done]:
    carried = None if method.statistic else score  # the next layer reads its own
    return _reduce(replace(before, x=x, score=carried), reduction), Done(reduction, score if reduction else None)


def _reduce(tokens: Tokens, reduction: Reduction | None) -> Tokens:
    if reduction is None:
        return tokens
    if not isinstance(reduction, Reduction):
        raise TypeError(f"a method's reduce gave {type(reduction).__name__}: it must give a Reduction or None")
    given, kept = reduction.tokens.shape[1], reduction.plan.num_kept
    if given != kept:
        raise ValueError(f"a method's reduce gave {given} tokens with a plan that keeps {kept}")
    plan, score, places = reduction.plan, tokens.score, tokens.places
    if tokens.positioned:
        places = plan.origins()[0] if places is None else plan.take(places)
    score = None if score is None else plan.take(score)
    return Tokens(reduction.tokens, reduction.mass, score, tokens.positioned, places)
