"""Attention and its statistics on a CPU, in fewer passes over the scores than fused attention makes.

Each thread has queries of its own. Their scores with all tokens are written once for each head, exponentiated in place,
multiplied with the values and added to the sum over the heads, all while they are in the cache of one core. What can
wait is done once for all heads: dividing the outputs, and the entropy. The buffers are reused, so nothing here can be
differentiated.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vidtldr.merging.tokens import at_least_float32

# What the scores of a thread's queries with all tokens take. Their sum over the heads, as large, lies beside them: so
# both fill 2 MiB of L2 cache.
_LANE_BYTES = 2**20

# Numbers of queries are a multiple of a vector of the widest kind, 16 float32 values.
_VECTOR = 16

# Scores within +-36 need no maximum taken off: their exponentials neither overflow in sums of thousands nor, divided by
# such a sum, fall to 1e-38 where float32 turns subnormal, which costs a CPU a hundred cycles a number. Below a maximum
# of 0 the same holds down to -72: what is smaller is raised to it, which moves a probability by less than 1e-31. So no
# probability is 0 either.
_SAFE_SCORE = 36.0


class _Operands(NamedTuple):
    """Some clips, prepared once for all their blocks of queries, which are computed in ``l`` lanes.

    Attributes:
        queries: ``[h, b, n, e]``.
        keys: For each head ``[l, n, e]``, centred and scaled.
        values: For each head ``[l, e, n]``, times the mass.
        summands: Ones, and the mass relative to the largest (ones again without), ``[l, 2, n]``.
        bounded: For each head whether no score can exceed the safe one.
    """

    queries: Tensor
    keys: Sequence[Tensor]
    values: Sequence[Tensor]
    summands: Tensor
    bounded: list[bool]


class _Block(NamedTuple):
    """Queries that are computed together, in lanes: parts of one clip's queries, or whole clips.

    Attributes:
        first: Position of the first query.
        parts: Parts of a clip, each a lane.
        queries: Queries in each part, q.
        repeated: So many of the first queries were in the block before too.
    """

    first: int
    parts: int
    queries: int
    repeated: int

    def cut(self, x: Tensor, dim: int) -> Tensor:
        """A view of its queries in a dimension of n, which turns into two: parts and queries."""
        return x.narrow(dim, self.first, self.parts * self.queries).unflatten(dim, (self.parts, self.queries))


class _Buffers(NamedTuple):
    """What a block in ``l`` lanes is computed in; cut from the same memory for every block.

    Keys come before queries: that way round the products with the values take an eighth less time, with MKL.

    Attributes:
        total: Sum over the heads of their attention, ``[l, n, q]``.
        scores: Scores of one head, ``[l, n, q]``.
        summed: Sum of the values, not divided yet, ``[h, l, e, q]``.
        sums: What the scores sum to once they are exponentiated, and what they sum to times the mass, ``[h, l, 2, q]``.
    """

    total: Tensor
    scores: Tensor
    summed: Tensor
    sums: Tensor


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
    batch, _, num_tokens, _ = query.shape
    threads = torch.get_num_threads()
    queries = max(1, _LANE_BYTES // (read.element_size() * num_tokens))
    # Whole clips if they fit, however many there are: in parts, products may be rounded otherwise than whole.
    blocks = _blocks(num_tokens, threads if queries < num_tokens else 1, queries)
    clips_at_once = max(1, queries // num_tokens * threads)
    with torch.autocast(query.device.type, enabled=False):
        for first in range(0, batch, clips_at_once):
            clips = slice(first, first + clips_at_once)
            masses = None if log_mass is None else log_mass[clips]
            operands = _prepare(query[clips], key[clips], value[clips], scale, masses, blocks[0].parts)
            _attend_clips(operands, blocks, statistic, output[clips], read[clips])
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


def _blocks(num_tokens: int, parts: int, most_queries: int) -> list[_Block]:
    """Blocks that hold each query of a clip, the largest first; an uneven last one overlaps the one before."""
    parts = min(parts, num_tokens)
    queries = math.ceil(num_tokens / math.ceil(num_tokens / most_queries / parts) / parts)  # blocks about as large
    queries = min(queries + -queries % _VECTOR, num_tokens // parts)
    blocks, done = [], 0
    while done < num_tokens:
        queries = min(queries, math.ceil((num_tokens - done) / parts))
        first = min(done, num_tokens - parts * queries)
        blocks.append(_Block(first, parts, queries, repeated=done - first))
        done = first + parts * queries
    return blocks


def _prepare(query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None, parts: int) -> _Operands:
    """Centre and scale the keys, weight the values; lay both out head by head."""
    query, key, value = at_least_float32(query), at_least_float32(key), at_least_float32(value)
    # Softmax ignores what all scores of a query have in common: the part that comes from the mean key. Taken before
    # heads and clips change places, it is rounded alike in a batch and alone.
    shift = key.mean(dim=2, keepdim=True).mul_(-scale)
    query, key, value, shift = (x.transpose(0, 1) for x in (query, key, value, shift))
    keys = torch.add(shift, key, alpha=scale, out=key.new_empty(key.shape))
    bounded = ((_longest(query) * _longest(keys)).amax(dim=1) <= _SAFE_SCORE).tolist()  # Cauchy-Schwarz
    summands = key.new_ones(key.shape[1], 2, key.shape[2])
    if log_mass is None:
        values = value.contiguous()
    else:
        mass = summands[:, 1]
        torch.sub(log_mass, log_mass.amax(dim=1, keepdim=True), out=mass).exp_()
        values = torch.mul(value, mass.unsqueeze(-1), out=value.new_empty(value.shape))
    lanes = _lanes(keys, parts).unbind(), _lanes(values, parts).mT.unbind()
    return _Operands(query, *lanes, _lanes(summands, parts), bounded)


def _longest(x: Tensor) -> Tensor:
    """Length of the longest token of ``[h, b, n, e]``, ``[h, b]``."""
    return torch.linalg.vector_norm(x, dim=-1).amax(dim=-1)


def _attend_clips(operands: _Operands, blocks: list[_Block], statistic: str, output: Tensor, read: Tensor) -> None:
    memory = operands.summands.new_empty(sum(map(math.prod, _buffer_shapes(operands, blocks[0]))))
    for block in blocks:
        buffers = _cut(memory, _buffer_shapes(operands, block))
        _attend_block(operands, block, buffers)
        summed, norms = (
            x.unflatten(1, (-1, block.parts)).permute(1, 0, 2, 4, 3)  # [h, l, e, q] -> [b, h, parts, q, e]
            for x in (buffers.summed, buffers.sums[:, :, 1:])
        )
        torch.div(summed, norms, out=block.cut(output, 2))
        _read_block(buffers, block, len(operands.keys), statistic, read)


def _buffer_shapes(operands: _Operands, block: _Block) -> list[tuple[int, ...]]:
    heads, queries, (lanes, num_tokens, width) = len(operands.keys), block.queries, operands.keys[0].shape
    scores = (lanes, num_tokens, queries)
    return [scores, scores, (heads, lanes, width, queries), (heads, lanes, 2, queries)]


def _cut(memory: Tensor, shapes: list[tuple[int, ...]]) -> _Buffers:
    sizes = [math.prod(shape) for shape in shapes]
    return _Buffers(*(part.view(shape) for part, shape in zip(memory[: sum(sizes)].split(sizes), shapes)))


def _attend_block(operands: _Operands, block: _Block, buffers: _Buffers) -> None:
    """Fill all of the buffers."""
    total, weights = buffers.total, buffers.scores
    queries_of_heads = block.cut(operands.queries, 2).flatten(1, 2).mT
    results = zip(buffers.summed, buffers.sums, buffers.sums[:, :, :1])  # the last without mass
    heads = zip(operands.bounded, operands.keys, queries_of_heads, operands.values, results)
    for head, (bounded, keys, queries, values, (summed, sums, plain_sums)) in enumerate(heads):
        torch.bmm(keys, queries, out=weights)
        if not bounded:
            weights.sub_(weights.amax(dim=1, keepdim=True)).clamp_min_(-2 * _SAFE_SCORE)
        weights.exp_()
        # softmax(scores + log mass) = exp(scores) mass / sum(exp(scores) mass), where the values carry the mass.
        torch.bmm(values, weights, out=summed)
        torch.bmm(operands.summands, weights, out=sums)  # faster than `sum`, and with two rows faster than with one
        share = plain_sums.reciprocal()
        _ = total.addcmul_(weights, share) if head else torch.mul(weights, share, out=total)


def _lanes(x: Tensor, parts: int) -> Tensor:
    """``[..., b, n, e]`` for each lane, ``[..., l, n, e]``: a view, for there is one clip or one part."""
    shape = (*x.shape[:-2], parts, *x.shape[-2:])
    return x.unsqueeze(-3).expand(shape).flatten(-4, -3)


def _read_block(buffers: _Buffers, block: _Block, heads: int, statistic: str, read: Tensor) -> None:
    """Read the statistic off the sum over the heads ``s``, which for each query sums to the number of heads."""
    total, scratch = buffers.total, buffers.scores
    lanes, num_tokens, queries = total.shape
    by_part = (lanes // block.parts, block.parts)
    if statistic == "sharpness":  # the sum of s/h log(s/h), no s being 0
        entropy = torch.log(total, out=scratch).mul_(total).sum(dim=1)
        block.cut(read, 1).copy_(entropy.div_(heads).sub_(math.log(heads)).unflatten(0, by_part))
    elif statistic == "attentiveness":
        counted = total.new_ones(lanes * queries)
        counted[: block.repeated] = 0
        received = torch.bmm(total, counted.view(lanes, queries, 1)).view(*by_part, num_tokens).sum(dim=1)
        read += received / (heads * num_tokens)
    else:
        block.cut(read, 1).copy_(total.div_(heads).mT.unflatten(0, by_part))
