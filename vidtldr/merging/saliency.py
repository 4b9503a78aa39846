"""How salient a token is, read off the attention map (vid-TLDR, section 3.2-3.3), and the rivals of its Table 7."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vidtldr.merging.tokens import at_least_float32

# A spread of this many float32 steps is rounding noise, not a difference between tokens.
_NOISE = 16 * torch.finfo(torch.float32).eps


def sharpness(attention: Tensor) -> Tensor:
    """Negative entropy of each query's head-averaged attention (Eq. 5): near 0 if sharp, ``-log n`` if flat.

    Args:
        attention: Attention probabilities without the mass term, ``[b, h, q, n]``, rows summing to 1.

    Returns:
        ``[b, q]``, float32 (float64 for float64 input). ``0 log 0`` counts as 0, its limit.
    """
    mean = attention.mean(dim=1, dtype=torch.float64 if attention.dtype == torch.float64 else torch.float32)
    entropy: Tensor = torch.special.entr(mean).sum(dim=-1)
    return -entropy


def head_sharpness(attention: Tensor) -> Tensor:
    """Negative entropy of each query's attention in each head, averaged over the heads.

    Entropy is concave, so this is never below :func:`sharpness`: heads that are sharp in different places count as
    sharp here, and as flat there.

    Args:
        attention: Attention probabilities without the mass term, ``[b, h, q, n]``, rows summing to 1.

    Returns:
        ``[b, q]``, float32 (float64 for float64 input). ``0 log 0`` counts as 0, its limit.
    """
    entropy: Tensor = torch.special.entr(at_least_float32(attention)).sum(dim=-1)
    return -entropy.mean(dim=1)


def attentiveness(attention: Tensor) -> Tensor:
    """How much attention each token receives: the mean over heads and queries (Eq. 3).

    All queries count alike, also in a model with a class token: UMT and VideoMAE have none.

    Args:
        attention: Attention probabilities, ``[b, h, q, n]``, rows summing to 1.

    Returns:
        ``[b, n]``, float32 (float64 for float64 input), summing to 1.
    """
    return attention.mean(dim=(1, 2), dtype=torch.float64 if attention.dtype == torch.float64 else torch.float32)


def rollout(attention: Sequence[Tensor]) -> Tensor:
    """How much of each input token arrives in the output tokens, by attention rollout (Eq. 4).

    The product over the layers of ``(A + I) / 2``, whose rows sum to 1 as those of A do; a token's score is the mean of
    its column, over all output tokens. The mean is pushed through the product from the last layer down, so that no
    product of two maps is ever taken.

    Args:
        attention: Head-averaged attention of every layer, first layer first, each ``[b, n, n]``.

    Returns:
        ``[b, n]``, summing to 1, in the dtype of the maps.
    """
    num_tokens = attention[-1].shape[-1]
    flow = torch.full_like(attention[-1][:, :1], 1 / num_tokens)  # [b, 1, n]
    with torch.autocast(flow.device.type, enabled=False):  # in half precision the scores would be all alike
        for mean in reversed(attention):
            flow = (flow @ mean + flow) / 2
    return flow.squeeze(1)


def drop_background(scores: Tensor) -> Tensor:
    """Which tokens are background, ``[b, n]`` bool: those that score below the mean of their clip (Eq. 8)."""
    return scores < scores.mean(dim=1, keepdim=True)


def check_steps(*, background_drop: bool, sharpening: bool) -> None:
    """Raise ValueError for sharpening without background drop, which would give the background negative scores."""
    if sharpening and not background_drop:
        raise ValueError(
            "background_drop=False needs sharpening=False: sharpened scores of the background are negative"
        )


def saliency(sharpness: Tensor, *, background_drop: bool = True, sharpening: bool = True) -> Tensor:
    """Saliency of each token: min-max scaling, background drop (Eq. 8) and foreground sharpening (Eq. 9).

    Background tokens get 0; the rest is stretched so that the mean of the clip maps to 0 and the sharpest token to 1.
    If all tokens of a clip are equally sharp nothing tells foreground from background: each gets 1, and merging falls
    back to the plain mass-weighted mean.

    Args:
        sharpness: Negative entropies from :func:`sharpness`, ``[b, n]``, float32; of the patch tokens alone.
        background_drop: Give background tokens 0.
        sharpening: Stretch the foreground; without it tokens keep their scaled score. Needs ``background_drop``.

    Returns:
        ``[b, n]``, in [0, 1], same dtype.

    Raises:
        ValueError: See :func:`check_steps`.
    """
    check_steps(background_drop=background_drop, sharpening=sharpening)
    lowest, highest = sharpness.aminmax(dim=1, keepdim=True)
    flat = highest - lowest <= _NOISE * lowest.abs().clamp(min=1)
    scores = (sharpness - lowest) / (highest - lowest).masked_fill(flat, 1)
    background = drop_background(scores)
    if sharpening:
        above_mean = scores - scores.mean(dim=1, keepdim=True)
        scores = above_mean / above_mean.amax(dim=1, keepdim=True).masked_fill(flat, 1)
    if background_drop:
        scores = scores.masked_fill(background, 0)
    return scores.masked_fill(flat, 1)
