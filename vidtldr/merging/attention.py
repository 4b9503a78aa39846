"""Self-attention that also yields what saliency needs."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vidtldr.merging.matching import at_least_float32
from vidtldr.merging.saliency import sharpness

# Scores of one block of queries, all heads and clips together: 2^24 float32 values are 64 MiB.
_MAX_BLOCK_SCORES = 2**24


class Attended(NamedTuple):
    """Output of :func:`attend`.

    Attributes:
        output: ``[b, h, n, e]``, dtype of the values.
        sharpness: Negative entropy of each query's head-averaged attention, ``[b, n - skip]``, float32; or ``None``.
    """

    output: Tensor
    sharpness: Tensor | None


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float,
    log_mass: Tensor | None = None,
    sharpness_from: int | None = None,
    dropout: float = 0.0,
) -> Attended:
    """Scaled dot-product attention with proportional keys, and on request the sharpness of each query.

    The output uses ``softmax(scores + log_mass)`` (Eq. 7 of vid-TLDR); the sharpness uses ``softmax(scores)``, the
    attention without the mass term (Eq. 5).

    Args:
        query: ``[b, h, n, e]``, any floating dtype.
        key: ``[b, h, n, e]``.
        value: ``[b, h, n, e]``.
        scale: Factor on the scores, ``e ** -0.5`` in every model here.
        log_mass: Logarithm of each key's mass, ``[b, n]``, float32; ``None`` means mass 1.
        sharpness_from: First query whose sharpness is wanted (the number of prefix tokens); ``None`` for no sharpness,
            which takes the fused kernel.
        dropout: Probability of dropping an attention weight.
    """
    if sharpness_from is None:
        bias = None if log_mass is None else log_mass[:, None, None, :].to(query.dtype)
        return Attended(F.scaled_dot_product_attention(query, key, value, bias, dropout, scale=scale), None)
    return _attend_in_blocks(query, key, value, scale, log_mass, sharpness_from, dropout)


def _attend_in_blocks(
    query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None, skip: int, dropout: float
) -> Attended:
    batch, heads, num_tokens, _ = query.shape
    block = max(1, _MAX_BLOCK_SCORES // (batch * heads * num_tokens))
    bias = None if log_mass is None else log_mass[:, None, None, :]
    outputs, sharp = [], []
    with torch.autocast(query.device.type, enabled=False):
        # Scores in float32: half precision overflows where the fused kernels, which accumulate in float32, do not.
        keys = at_least_float32(key).transpose(-2, -1)
        for start in range(0, num_tokens, block):
            scores = (at_least_float32(query[:, :, start : start + block]) * scale) @ keys  # [b, h, block, n]
            plain = scores.softmax(dim=-1)
            weights = plain if bias is None else (scores + bias).softmax(dim=-1)
            outputs.append(F.dropout(weights, dropout).to(value.dtype) @ value)
            sharp.append(sharpness(plain))
    return Attended(torch.cat(outputs, dim=2), torch.cat(sharp, dim=1)[:, skip:])
