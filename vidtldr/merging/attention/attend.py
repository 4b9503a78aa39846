"""Self-attention that also yields what tokens are ranked by."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vidtldr.merging.attention.backends import choose_backend, needs_plain_pytorch
from vidtldr.merging.attention.cpu import attend_in_cache
from vidtldr.merging.saliency import attentiveness, head_sharpness, sharpness
from vidtldr.merging.tokens import at_least_float32

# Scores of one block of queries, all heads and clips together: 2^24 float32 values are 64 MiB.
_MAX_BLOCK_SCORES = 2**24

Statistic = Literal["sharpness", "head_sharpness", "attentiveness", "map"]
"""What is read off the attention without the mass term: :func:`~vidtldr.merging.saliency.sharpness` or
:func:`~vidtldr.merging.saliency.head_sharpness` of each query, :func:`~vidtldr.merging.saliency.attentiveness` of each
key, or the head-averaged map itself."""

_FUSED: tuple[Statistic, ...] = ("sharpness", "attentiveness", "map")
"""Those that kernels of our own read; the others are read off blocks of the map."""

_READERS: dict[Statistic, Callable[[Tensor], Tensor]] = {
    "sharpness": sharpness,
    "head_sharpness": head_sharpness,
    "attentiveness": attentiveness,
    "map": lambda attention: attention.mean(dim=1),
}


class Attended(NamedTuple):
    """Output of :func:`attend`.

    Attributes:
        output: ``[b, h, n, e]``, dtype of the values.
        statistic: What was asked for, float32: ``[b, n]``, or ``[b, n, n]`` for the map; or ``None``.
    """

    output: Tensor
    statistic: Tensor | None


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float,
    log_mass: Tensor | None = None,
    statistic: Statistic | None = None,
    dropout: float = 0.0,
) -> Attended:
    """Scaled dot-product attention with proportional keys, and on request a statistic of the attention.

    The output uses ``softmax(scores + log_mass)`` (Eq. 7 of vid-TLDR); the statistic uses ``softmax(scores)``, the
    attention without the mass term (Eq. 5). The maps of all heads never exist at once, but in the eager backend; see
    :func:`~vidtldr.merging.attention.backends.attention_backend`.

    Args:
        query: ``[b, h, n, e]``, any floating dtype.
        key: ``[b, h, n, e]``.
        value: ``[b, h, n, e]``.
        scale: Factor on the scores, ``e ** -0.5`` in every model here.
        log_mass: Logarithm of each key's mass, ``[b, n]``, float32; ``None`` means mass 1.
        statistic: What to read off the attention; ``None`` for nothing, which takes the fused kernel.
        dropout: Probability of dropping an attention weight.
    """
    plain = needs_plain_pytorch(query, key, value, log_mass, dropout=dropout)
    backend = choose_backend(query, key, value, plain=plain)
    if backend == "eager":
        return _attend_in_blocks(query, key, value, scale, log_mass, statistic, dropout, block=query.shape[2])
    fused = statistic is None or statistic in _FUSED
    in_cache = backend == "blocked" and query.device.type == "cpu" and not plain and fused
    if statistic is None and (log_mass is None or backend == "blocked"):
        bias = None if log_mass is None else log_mass[:, None, None, :].to(query.dtype)
        return Attended(F.scaled_dot_product_attention(query, key, value, bias, dropout, scale=scale), None)
    if backend == "triton" and fused:
        from vidtldr.merging.attention.triton import attend_with_triton  # late: Triton is optional

        return Attended(*attend_with_triton(query, key, value, scale, log_mass, statistic))
    if in_cache and statistic is not None:
        return Attended(*attend_in_cache(query, key, value, scale, log_mass, statistic))
    batch, heads, num_tokens, _ = query.shape
    block = max(1, _MAX_BLOCK_SCORES // (batch * heads * num_tokens))
    return _attend_in_blocks(query, key, value, scale, log_mass, statistic, dropout, block)


def _attend_in_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    log_mass: Tensor | None,
    statistic: Statistic | None,
    dropout: float,
    block: int,
) -> Attended:
    bias = None if log_mass is None else log_mass[:, None, None, :]
    outputs, parts = [], []
    with torch.autocast(query.device.type, enabled=False):
        # Scores in float32: half precision overflows where the fused kernels, which accumulate in float32, do not.
        keys = at_least_float32(key).transpose(-2, -1)
        for start in range(0, query.shape[2], block):
            scores = (at_least_float32(query[:, :, start : start + block]) * scale) @ keys  # [b, h, block, n]
            plain = scores.softmax(dim=-1)
            weights = plain if bias is None else (scores + bias).softmax(dim=-1)
            outputs.append(F.dropout(weights, dropout).to(value.dtype) @ value)
            if statistic is not None:
                parts.append(_READERS[statistic](plain))
    read = None if statistic is None else _join(statistic, parts, [part.shape[2] for part in outputs])
    return Attended(torch.cat(outputs, dim=2), read)


def _join(statistic: Statistic, parts: list[Tensor], num_queries: list[int]) -> Tensor:
    """Put together what was read of single blocks of queries."""
    if statistic != "attentiveness":
        return torch.cat(parts, dim=1)
    total = sum(num_queries)
    return torch.stack([part * (count / total) for part, count in zip(parts, num_queries)]).sum(dim=0)
