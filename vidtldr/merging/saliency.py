"""How salient a token is, read off the attention map (vid-TLDR, section 3.2-3.3)."""

import torch
from torch import Tensor

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
    return -torch.special.entr(mean).sum(dim=-1)


def drop_background(scores: Tensor) -> Tensor:
    """Which tokens are background, ``[b, n]`` bool: those that score below the mean of their clip (Eq. 8)."""
    return scores < scores.mean(dim=1, keepdim=True)


def saliency(sharpness: Tensor) -> Tensor:
    """Saliency of each token: min-max scaling, background drop (Eq. 8) and foreground sharpening (Eq. 9).

    Background tokens get 0; the rest is stretched so that the mean of the clip maps to 0 and the sharpest token to 1.
    If all tokens of a clip are equally sharp nothing tells foreground from background: each gets 1, and merging falls
    back to the plain mass-weighted mean.

    Args:
        sharpness: Negative entropies from :func:`sharpness`, ``[b, n]``, float32; of the patch tokens alone.

    Returns:
        ``[b, n]``, in [0, 1], same dtype.
    """
    lowest, highest = sharpness.aminmax(dim=1, keepdim=True)
    flat = highest - lowest <= _NOISE * lowest.abs().clamp(min=1)
    scores = (sharpness - lowest) / (highest - lowest).masked_fill(flat, 1)
    background = drop_background(scores)
    above_mean = scores - scores.mean(dim=1, keepdim=True)
    peak = above_mean.amax(dim=1, keepdim=True).masked_fill(flat, 1)
    return (above_mean / peak).masked_fill(background, 0).masked_fill(flat, 1)
