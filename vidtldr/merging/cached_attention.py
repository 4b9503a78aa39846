"""Attention and its statistics on a CPU, in about as many passes over the scores as fused attention makes.

A block of queries meets one head after the other. Its scores with that head are written once, exponentiated in place,
multiplied with the values and added to the mean over the heads, all while they are in cache. The buffers are reused, so
nothing here can be differentiated.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from vidtldr.merging.matching import at_least_float32

# What the scores of one head and one block of queries take, per thread. The mean over the heads lies beside them: with
# 2 MiB of L2 cache, 1 MiB was the fastest of 0.5 to 3 MiB at 1052, 1752 and 2352 tokens.
_BLOCK_BYTES = 2**20

# Scores within +-36 need no maximum taken off: their exponentials neither overflow in sums of thousands nor, divided by
# such a sum, fall to 1e-38 where float32 turns subnormal, which costs a CPU a hundred cycles a number. Below a maximum
# of 0 the same holds down to -72: what is smaller is raised to it, which moves a probability by less than 1e-31.
_SAFE_SCORE = 36.0


class _Operands(NamedTuple):
    """Some clips, prepared once for all their blocks of queries.

    Attributes:
        query: ``[b, h, n, e]``.
        keys: ``[b, h, e, n]``, centred.
        values: ``[b, h, n, e]``, times the mass.
        mass: ``[b, n, 1]``, relative to the largest; or ``None``.
        scale: Factor on the scores.
        bounded: For each head whether no score can exceed the safe one.
    """

    query: Tensor
    keys: Tensor
    values: Tensor
    mass: Tensor | None
    scale: float
    bounded: list[bool]


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
    return 1, rows - rows % 16 if rows > 16 else rows  # whole vectors


def _prepare(
    query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None, reused: bool
) -> _Operands:
    """Centre the keys, weight the values; lay both out for the products if several blocks need them."""
    query, key, value = at_least_float32(query), at_least_float32(key), at_least_float32(value)
    # Softmax ignores what all scores of a query have in common: the part that comes from the mean key.
    keys = torch.sub(key, key.mean(dim=2, keepdim=True), out=torch.empty(key.shape, dtype=key.dtype))
    longest_query, longest_key = (torch.linalg.vector_norm(x, dim=-1).amax(dim=-1) for x in (query, keys))  # [b, h]
    highest = (longest_query * longest_key).amax(dim=0) * abs(scale)  # Cauchy-Schwarz
    bounded = (highest <= _SAFE_SCORE).tolist()
    keys = _transpose(keys) if reused else keys.transpose(-2, -1)
    if log_mass is None:
        return _Operands(query, keys, value.contiguous() if reused else value, None, scale, bounded)
    mass = (log_mass - log_mass.amax(dim=1, keepdim=True)).to(value.dtype).exp().unsqueeze(-1)
    values = torch.mul(value, mass.unsqueeze(1), out=torch.empty(value.shape, dtype=value.dtype))
    return _Operands(query, keys, values, mass, scale, bounded)


def _transpose(x: Tensor) -> Tensor:
    """Transpose the last two dimensions in memory; matrix by matrix, which PyTorch does several times faster."""
    result = x.new_empty(*x.shape[:-2], x.shape[-1], x.shape[-2])
    for target, source in zip(result.flatten(0, 1), x.flatten(0, 1)):
        target.copy_(source.t())
    return result


def _attend_clips(operands: _Operands, rows: int, statistic: str, output: Tensor, read: Tensor) -> None:
    batch, _, num_tokens, _ = operands.query.shape
    buffers = operands.query.new_empty(2, batch * rows * num_tokens)
    for start in range(0, num_tokens, rows):
        block = slice(start, min(start + rows, num_tokens))
        shape = (batch, block.stop - start, num_tokens)
        mean, scores = (buffer[: shape[0] * shape[1] * shape[2]].view(shape) for buffer in buffers)
        _attend_block(operands, block, mean, scores, output)
        if statistic == "sharpness":
            torch.clamp_min(mean, torch.finfo(mean.dtype).tiny, out=scores).log_().mul_(mean)  # 0 log 0 = 0
            torch.sum(scores, dim=-1, out=read[:, block])
        elif statistic == "attentiveness":
            read += mean.sum(dim=1) / num_tokens
        else:
            read[:, block] = mean


def _attend_block(operands: _Operands, block: slice, mean: Tensor, scores: Tensor, output: Tensor) -> None:
    """Write the output of a block of queries, and the mean over the heads of its attention."""
    query, keys, values, mass, scale, bounded = operands
    heads = query.shape[1]
    for head in range(heads):
        weights = scores if head else mean  # [b, block, n]
        weights.baddbmm_(query[:, head, block], keys[:, head], beta=0, alpha=scale)
        if not bounded[head]:
            weights.sub_(weights.amax(dim=-1, keepdim=True)).clamp_min_(-2 * _SAFE_SCORE)
        total = weights.exp_().sum(dim=-1, keepdim=True)
        # softmax(scores + log mass) = exp(scores) mass / sum(exp(scores) mass), where the values carry the mass.
        norm = total if mass is None else torch.bmm(weights, mass)
        torch.div(torch.bmm(weights, values[:, head]), norm, out=output[:, head, block])
        share = total.mul_(heads).reciprocal_()
        if head:
            mean.addcmul_(weights, share)
        else:
            mean *= share
