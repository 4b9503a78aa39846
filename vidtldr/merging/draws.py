"""Random numbers that belong to a clip: the same in any batch, at any place in it, and in any process.

A generator gives numbers by the order in which they are asked for, so what a clip gets would depend on the clips before
it. Here a number is a hash of seed, layer, token and the clip's own pixels. Those are the last thing before a matrix
product, which rounds differently in batches of different sizes; they are normalised one by one, hence equal wherever
the clip stands. All arithmetic is on integers, so that the sum over pixels has no order either.

Notation: b clips, n tokens.
"""

import torch
from torch import Tensor

_WORD = 2**32 - 1
_MULTIPLIER = 0x45D9F3B  # of 27 bits: no product of it with a word exceeds an int64
_STEPS = 2**12  # in which a pixel is read: some 60 between two of its 256 levels, once they are normalised


def clip_keys(pixels: Tensor) -> Tensor:
    """A number for each clip, made of all of its pixels and their places.

    Args:
        pixels: ``[b, ...]``, any floating dtype.

    Returns:
        ``[b]``, int64, in [0, 2^32).
    """
    flat = pixels.detach().flatten(1)
    if not len(flat):
        return torch.empty(0, dtype=torch.int64, device=flat.device)
    weights = _mix(torch.arange(flat.shape[1], device=flat.device)) >> 4  # 28 bits: again no product exceeds an int64
    return torch.stack([_key(clip, weights) for clip in flat])  # one by one: the products take as much as two clips


def uniform(keys: Tensor, num_tokens: int, *, seed: int, layer: int, draw: int = 0) -> Tensor:
    """A number for each token of each clip, spread evenly over [0, 1).

    Args:
        keys: From :func:`clip_keys`, ``[b]``.
        num_tokens: Tokens of a clip, n.
        seed: Of the method.
        layer: Index of the layer.
        draw: Number of the draw, where a layer needs several.

    Returns:
        ``[b, n]``, float32, multiples of 2^-24.
    """
    salt = _mix(torch.tensor([seed, layer, draw], device=keys.device) & _WORD)
    words = keys.unsqueeze(1)
    for value in (*salt.unbind(), _mix(torch.arange(num_tokens, device=keys.device))):
        words = _mix(words ^ value)  # [b, 1], in the end [b, n]
    return (words >> 8).float() / 2**24


def _key(clip: Tensor, weights: Tensor) -> Tensor:
    levels = (clip.float() * _STEPS).round().clamp(-(2**31), 2**31).long() & _WORD
    total = ((levels * weights) >> 28).sum()
    return _mix((total ^ (total >> 32)) & _WORD)


def _mix(words: Tensor) -> Tensor:
    """A one-to-one map of words of 32 bits in which each bit of the result depends on all bits."""
    for _ in range(2):
        words = ((words ^ (words >> 16)) * _MULTIPLIER) & _WORD
    return words ^ (words >> 16)
