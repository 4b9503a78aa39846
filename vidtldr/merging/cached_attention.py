"""Attention and its statistics on a CPU, in fewer passes over the scores than fused attention makes.

A block of queries meets a few heads at a time, one for each thread. Their scores are written once, exponentiated in
place, multiplied with the values and added to the sum over the heads, all while they are in cache. What can wait is
done once for all heads of a block: dividing the outputs, and the entropy. The buffers are reused, so nothing here can
be differentiated.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vidtldr.merging.matching import at_least_float32

# What the scores of one head and one block of queries take. The sum over the heads lies beside them: with 2 MiB of L2
# cache per core, 1 MiB was as fast as 0.75 to 3 on two threads, and faster than 2 on one.
_BLOCK_BYTES = 2**20

# Widths of blocks are a multiple of a vector of the widest kind, 16 float32 values.
_VECTOR = 16

# Scores within +-36 need no maximum taken off: their exponentials neither overflow in sums of thousands nor, divided by
# such a sum, fall to 1e-38 where float32 turns subnormal, which costs a CPU a hundred cycles a number. Below a maximum
# of 0 the same holds down to -72: what is smaller is raised to it, which moves a probability by less than 1e-31. So no
# probability is 0 either.
_SAFE_SCORE = 36.0


class _Operands(NamedTuple):
    """Some clips, prepared once for all their blocks of queries.

    Attributes:
        queries: ``[h, b, e, n]``.
        keys: ``[h, b, n, e]``, centred and scaled.
        values: ``[h, b, e, n]``, times the mass.
        mass: ``[b, 1, n]``, relative to the largest; or ``None``.
        bounded: For each head whether no score can exceed the safe one.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    mass: Tensor | None
    bounded: list[bool]


class _Buffers(NamedTuple):
    """What a block of ``q`` queries is computed in, ``g`` heads at a time; cut from the same memory for every block.

    Keys come before queries: that way round the products with the values take an eighth less time, with MKL.

    Attributes:
        total: Sum over the heads of their attention, ``[b, n, q]``.
        scores: Scores of some heads, ``[g, b, n, q]``.
        summed: Sum of the values, not divided yet, ``[h, b, e, q]``.
        norms: What it is to be divided by, ``[h, b, 1, q]``.
    """

    total: Tensor
    scores: Tensor
    summed: Tensor
    norms: Tensor


class _Shape(NamedTuple):
    """How many heads, clips and queries are computed at a time."""

    heads: int
    clips: int
    queries: int


@torch.library.custom_op("vidtldr::attend_in_cache", mutates_args=())
def attend_in_cache(
    query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None, statistic: str
) -> tuple[Tensor, Tensor]:
    """Output and statistic as ``attend`` defines them, without gradients.

    Args:
        query: ``[b, h, n, e]``, any floating dtype; half precision is computed in float32.
        key: ``[b, h, n, e]``.
        value: ``[b, h, n, e]``.
        scale: Factor on the scores.
        log_mass: Logarithm of each key's mass, ``[b, n]``, or ``None``.
        statistic: ``sharpness``, ``attentiveness`` or ``map``.

    Returns:
        The output, ``[b, h, n, e]`` in the dtype of the values, laid out as ``[b, n, h, e]`` so that joining the heads
        copies nothing; and the statistic, ``[b, n]`` or ``[b, n, n]``, at least float32.
    """
    output, read = _empty_result(query, key, value, scale, log_mass, statistic)
    with torch.autocast(query.device.type, enabled=False):
        shape = _block_shape(query.shape[1], query.shape[2], read.element_size())
        for first in range(0, len(query), shape.clips):
            group = slice(first, first + shape.clips)
            masses = None if log_mass is None else log_mass[group]
            operands = _prepare(query[group], key[group], value[group], scale, masses)
            _attend_clips(operands, shape, statistic, output[group], read[group])
    return output, read


@attend_in_cache.register_fake
def _empty_result(
    query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None, statistic: str
) -> tuple[Tensor, Tensor]:
    batch, heads, num_tokens, _ = query.shape
    output = value.new_empty(batch, num_tokens, heads, value.shape[-1]).transpose(1, 2)
    shape = (batch, num_tokens, num_tokens) if statistic == "map" else (batch, num_tokens)
    dtype = torch.promote_types(query.dtype, torch.float32)
    return output, query.new_zeros(shape, dtype=dtype)


def _block_shape(num_heads: int, num_tokens: int, element_size: int) -> _Shape:
    """A head for each thread; some queries of one clip, or all queries of as many clips as fit."""
    threads = torch.get_num_threads()
    heads = math.ceil(num_heads / math.ceil(num_heads / threads))  # as many each time
    budget = _BLOCK_BYTES * threads // (element_size * heads * num_tokens)
    if budget >= num_tokens:
        return _Shape(heads, budget // num_tokens, num_tokens)
    queries = math.ceil(num_tokens / math.ceil(num_tokens / max(1, budget)))  # blocks of about the same size
    return _Shape(heads, 1, queries + -queries % _VECTOR)


def _prepare(query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None) -> _Operands:
    """Centre and scale the keys, weight the values; lay both out head by head."""
    query, key, value = at_least_float32(query), at_least_float32(key), at_least_float32(value)
    # Softmax ignores what all scores of a query have in common: the part that comes from the mean key. Taken before
    # heads and clips change places, it is rounded alike in a batch and alone.
    shift = key.mean(dim=2, keepdim=True).mul_(-scale)
    query, key, value, shift = (x.transpose(0, 1) for x in (query, key, value, shift))
    if query.shape[1] > 1:
        query = query.contiguous()  # heads and clips are to be one dimension
    keys = torch.add(shift, key, alpha=scale, out=key.new_empty(key.shape))
    bounded = ((_longest(query) * _longest(keys)).amax(dim=1) <= _SAFE_SCORE).tolist()  # Cauchy-Schwarz
    if log_mass is None:
        return _Operands(query.mT, keys, value.contiguous().mT, None, bounded)
    mass = (log_mass - log_mass.amax(dim=1, keepdim=True)).to(value.dtype).exp()
    values = torch.mul(value, mass.unsqueeze(-1), out=value.new_empty(value.shape))
    return _Operands(query.mT, keys, values.mT, mass.unsqueeze(1), bounded)


def _longest(x: Tensor) -> Tensor:
    """Length of the longest token of ``[h, b, n, e]``, ``[h, b]``."""
    return torch.linalg.vector_norm(x, dim=-1).amax(dim=-1)


def _attend_clips(operands: _Operands, shape: _Shape, statistic: str, output: Tensor, read: Tensor) -> None:
    heads, batch, width, num_tokens = operands.values.shape
    per_query = batch * (num_tokens * (1 + shape.heads) + heads * (width + 1))
    memory = operands.keys.new_empty(per_query * shape.queries)
    for start in range(0, num_tokens, shape.queries):
        block = slice(start, min(start + shape.queries, num_tokens))
        buffers = _cut(memory, operands, shape.heads, block.stop - start)
        _attend_block(operands, block, buffers)
        output[:, :, block] = buffers.summed.div_(buffers.norms).permute(1, 0, 3, 2)
        _read_block(buffers, block, heads, statistic, read)


def _cut(memory: Tensor, operands: _Operands, heads_at_once: int, queries: int) -> _Buffers:
    heads, batch, width, num_tokens = operands.values.shape
    one_head = (batch, num_tokens, queries)
    shapes = (one_head, (heads_at_once, *one_head), (heads, batch, width, queries), (heads, batch, 1, queries))
    parts = memory[: sum(map(math.prod, shapes))].split([math.prod(shape) for shape in shapes])
    return _Buffers(*(part.view(shape) for part, shape in zip(parts, shapes)))


def _attend_block(operands: _Operands, block: slice, buffers: _Buffers) -> None:
    """Fill all of the buffers."""
    total, scores = buffers.total, buffers.scores
    heads = len(operands.keys)
    ones = torch.ones_like(operands.keys[0, :, :, :1]).mT  # a product with it sums faster than `sum` does
    for first in range(0, heads, len(scores)):
        group = slice(first, min(first + len(scores), heads))
        weights = scores[: group.stop - first]
        _multiply(operands.keys[group], operands.queries[group, ..., block], out=weights)
        if not all(operands.bounded[group]):
            weights.sub_(weights.amax(dim=-2, keepdim=True)).clamp_min_(-2 * _SAFE_SCORE)
        weights.exp_()
        # softmax(scores + log mass) = exp(scores) mass / sum(exp(scores) mass), where the values carry the mass.
        _multiply(operands.values[group], weights, out=buffers.summed[group])
        sums = norms = _multiply(_each(ones, weights), weights, out=buffers.norms[group])
        if operands.mass is not None:
            sums = norms.clone()
            _multiply(_each(operands.mass, weights), weights, out=norms)
        for head, (weight, share) in enumerate(zip(weights, sums.reciprocal()), first):
            _ = total.addcmul_(weight, share) if head else torch.mul(weight, share, out=total)


def _each(x: Tensor, heads: Tensor) -> Tensor:
    """``x`` for as many heads as the other has, ``[g, ...]``."""
    return x.expand(len(heads), *x.shape)


def _multiply(a: Tensor, b: Tensor, *, out: Tensor) -> Tensor:
    """Products of matrices, all heads and clips as one dimension."""
    torch.bmm(a.flatten(0, 1), b.flatten(0, 1), out=out.flatten(0, 1))
    return out


def _read_block(buffers: _Buffers, block: slice, heads: int, statistic: str, read: Tensor) -> None:
    """Read the statistic off the sum over the heads ``s``, which for each query sums to the number of heads."""
    total, scratch = buffers.total, buffers.scores[0]
    if statistic == "sharpness":  # the sum of s/h log(s/h), no s being 0
        torch.sum(torch.log(total, out=scratch).mul_(total), dim=1, out=read[:, block])
        read[:, block].div_(heads).sub_(math.log(heads))
    elif statistic == "attentiveness":
        read += total.sum(dim=2) / (heads * total.shape[1])
    else:
        torch.div(total.mT, heads, out=read[:, block])
