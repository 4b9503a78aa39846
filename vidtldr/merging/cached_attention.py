"""Attention and its statistics on a CPU, in fewer passes over the scores than fused attention makes.

A block of queries meets one head after the other. Its scores with that head are written once, exponentiated in place,
multiplied with the values and added to the sum over the heads, all while they are in cache. What can wait is done once
for all heads of a block: dividing the outputs, and the entropy. The buffers are reused, so nothing here can be
differentiated.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vidtldr.merging.matching import at_least_float32

# What the scores of one head and one block of queries take, per thread. The sum over the heads lies beside them: with
# 2 MiB of L2 cache, 1 MiB was as fast as 1.5 to 3 and faster than 0.4 and 0.6, in the whole of UMT-B on two threads.
_BLOCK_BYTES = 2**20

# Scores within +-36 need no maximum taken off: their exponentials neither overflow in sums of thousands nor, divided by
# such a sum, fall to 1e-38 where float32 turns subnormal, which costs a CPU a hundred cycles a number. Below a maximum
# of 0 the same holds down to -72: what is smaller is raised to it, which moves a probability by less than 1e-31. So no
# probability is 0 either.
_SAFE_SCORE = 36.0


class _Operands(NamedTuple):
    """Some clips, prepared once for all their blocks of queries.

    Attributes:
        query: ``[b, h, n, e]``.
        keys: ``[b, h, e, n]``, centred and scaled.
        values: ``[b, h, n, e]``, times the mass.
        mass: ``[b, n, 1]``, relative to the largest; or ``None``.
        bounded: For each head whether no score can exceed the safe one.
    """

    query: Tensor
    keys: Tensor
    values: Tensor
    mass: Tensor | None
    bounded: list[bool]


class _Buffers(NamedTuple):
    """What a block of ``q`` queries is computed in; cut from the same memory for every block.

    Attributes:
        total: Sum over the heads of their attention, ``[b, q, n]``.
        scores: Scores of one head, ``[b, q, n]``.
        summed: Sum of the values, not divided yet, ``[h, b, q, e]``.
        norms: What it is to be divided by, ``[h, b, q, 1]``.
    """

    total: Tensor
    scores: Tensor
    summed: Tensor
    norms: Tensor


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
    num_tokens = query.shape[2]
    with torch.autocast(query.device.type, enabled=False):
        clips, rows = _block_shape(num_tokens, read.element_size())
        for first in range(0, len(query), clips):
            group = slice(first, first + clips)
            masses = None if log_mass is None else log_mass[group]
            clip = (query[group], key[group], value[group])
            _attend_clips(
                _prepare(*clip, scale, masses, rows < num_tokens), rows, statistic, output[group], read[group]
            )
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


def _block_shape(num_tokens: int, element_size: int) -> tuple[int, int]:
    """Clips and queries of a block: some queries of one clip, or all queries of as many clips as fit."""
    rows = max(1, _BLOCK_BYTES * torch.get_num_threads() // (element_size * num_tokens))
    if rows >= num_tokens:
        return rows // num_tokens, num_tokens
    rows = math.ceil(num_tokens / math.ceil(num_tokens / rows))  # blocks of about the same size
    return 1, rows + -rows % 8 if rows > 8 else rows


def _prepare(
    query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None, reused: bool
) -> _Operands:
    """Centre and scale the keys, weight the values; lay both out for the products if several blocks need them."""
    query, key, value = at_least_float32(query), at_least_float32(key), at_least_float32(value)
    keys, longest_key = _centre(key, scale, reused)
    longest_query = torch.linalg.vector_norm(query, dim=-1).amax(dim=-1)  # [b, h]
    bounded = ((longest_query * longest_key).amax(dim=0) <= _SAFE_SCORE).tolist()  # Cauchy-Schwarz
    if log_mass is None:
        return _Operands(query, keys, value.contiguous() if reused else value, None, bounded)
    mass = (log_mass - log_mass.amax(dim=1, keepdim=True)).to(value.dtype).exp().unsqueeze(-1)
    values = torch.mul(value, mass.unsqueeze(1), out=torch.empty(value.shape, dtype=value.dtype))
    return _Operands(query, keys, values, mass, bounded)


def _centre(key: Tensor, scale: float, reused: bool) -> tuple[Tensor, Tensor]:
    """Scaled keys ``[b, h, e, n]`` without what they have in common, and the length of the longest, ``[b, h]``.

    Softmax ignores what all scores of a query have in common: the part that comes from the mean key.
    """
    shift = key.mean(dim=2, keepdim=True).mul_(-scale)
    if not reused:
        centred = torch.add(shift, key, alpha=scale)
        return centred.transpose(-2, -1), torch.linalg.vector_norm(centred, dim=-1).amax(dim=-1)
    batch, heads, num_tokens, width = key.shape
    keys, centred = key.new_empty(batch, heads, width, num_tokens), key.new_empty(batch, num_tokens, width)
    longest = key.new_empty(batch, heads)
    for head in range(heads):  # in cache; and matrix by matrix PyTorch transposes several times faster
        torch.add(shift[:, head], key[:, head], alpha=scale, out=centred)
        longest[:, head] = torch.linalg.vector_norm(centred, dim=-1).amax(dim=-1)
        for target, source in zip(keys[:, head], centred):
            target.copy_(source.t())
    return keys, longest


def _attend_clips(operands: _Operands, rows: int, statistic: str, output: Tensor, read: Tensor) -> None:
    batch, heads, num_tokens, width = operands.values.shape
    memory = operands.query.new_empty(2 * batch * rows * num_tokens + heads * batch * rows * (width + 1))
    for start in range(0, num_tokens, rows):
        block = slice(start, min(start + rows, num_tokens))
        buffers = _cut(memory, heads, batch, block.stop - start, num_tokens, width)
        _attend_block(operands, block, buffers)
        summed, norms = (x.transpose(0, 1) for x in (buffers.summed, buffers.norms))
        torch.div(summed, norms, out=output[:, :, block])
        _read_block(buffers, block, heads, statistic, read)


def _cut(memory: Tensor, heads: int, batch: int, rows: int, num_tokens: int, width: int) -> _Buffers:
    one_head = (batch, rows, num_tokens)
    shapes = (one_head, one_head, (heads, batch, rows, width), (heads, batch, rows, 1))
    parts = memory[: sum(map(math.prod, shapes))].split([math.prod(shape) for shape in shapes])
    return _Buffers(*(part.view(shape) for part, shape in zip(parts, shapes)))


def _attend_block(operands: _Operands, block: slice, buffers: _Buffers) -> None:
    """Fill all of the buffers."""
    one_clip = len(operands.query) == 1
    multiply = torch.mm if one_clip else torch.bmm  # the first is faster

    def by_head(x: Tensor, dim: int) -> tuple[Tensor, ...]:
        return (x.squeeze(1 - dim) if one_clip else x).unbind(0 if one_clip else dim)

    queries, keys, values = (by_head(x, 1) for x in (operands.query[:, :, block], operands.keys, operands.values))
    all_summed, all_norms = by_head(buffers.summed, 0), by_head(buffers.norms, 0)
    total, scores = (x[0] if one_clip else x for x in (buffers.total, buffers.scores))
    mass = operands.mass if operands.mass is None or not one_clip else operands.mass[0]
    for head, is_bounded in enumerate(operands.bounded):
        weights = scores if head else total
        multiply(queries[head], keys[head], out=weights)
        if not is_bounded:
            weights.sub_(weights.amax(dim=-1, keepdim=True)).clamp_min_(-2 * _SAFE_SCORE)
        weights.exp_()
        # softmax(scores + log mass) = exp(scores) mass / sum(exp(scores) mass), where the values carry the mass.
        multiply(weights, values[head], out=all_summed[head])
        norm = all_norms[head]
        if mass is None:
            torch.sum(weights, dim=-1, keepdim=True, out=norm)
        else:
            multiply(weights, mass, out=norm)
        share = (norm if mass is None else weights.sum(dim=-1, keepdim=True)).reciprocal()
        _ = total.addcmul_(weights, share) if head else total.mul_(share)


def _read_block(buffers: _Buffers, block: slice, heads: int, statistic: str, read: Tensor) -> None:
    """Read the statistic off the sum over the heads ``s``, whose rows sum to the number of heads."""
    total, scores = buffers.total, buffers.scores
    if statistic == "sharpness":  # the sum of s/h log(s/h), no s being 0
        torch.sum(torch.log(total, out=scores).mul_(total), dim=-1, out=read[:, block])
        read[:, block].div_(heads).sub_(math.log(heads))
    elif statistic == "attentiveness":
        read += total.sum(dim=1) / (heads * total.shape[2])
    else:
        torch.div(total, heads, out=read[:, block])
