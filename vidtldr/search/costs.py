"""GFLOPs of many schedules at once, equal to :func:`~vidtldr.measuring.flops_analytic.analytic_gflops` to the digit.

What a layer costs depends on the tokens that enter it and on those that go, and on nothing else. So the formula is
asked once for each such pair, as a tower of one layer, and a schedule is a sum of what it said.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidtldr.measuring.flops_analytic import Tower, analytic_gflops
from vidtldr.merging import Base, Method

Counts = NDArray[np.int64]


def schedule_gflops(tower: Tower, method: Method, schedules: Counts) -> NDArray[np.float64]:
    """The GFLOPs of a method under each of many schedules.

    Args:
        tower: The encoder.
        method: The method; its own ``r`` does not matter.
        schedules: Tokens that go in the first k layers, ``[s, k]``; none go in later ones. Of a layer that is asked
            for more than the method can take from it goes what can.

    Returns:
        Billions of multiply-adds for a clip, ``[s]``.

    Shapes: s schedules, k layers.
    """
    layer = _one_layer(tower, method)
    tokens = np.full(len(schedules), tower.num_patches, np.int64)
    total = np.full(len(schedules), _outside_layers(tower, method), np.int64)
    for asked in schedules.T:
        r = np.minimum(asked, _most(tower, method, tokens))
        total += _looked_up(layer, tokens, r)
        tokens = tokens - r
    none = np.zeros_like(tokens)
    total += (tower.depth - schedules.shape[1]) * _looked_up(layer, tokens, none)
    total += _looked_up(lambda n, _: _tail(tower, n), tokens, none)
    return total / 1e9


def fitting(tower: Tower, method: Method, schedules: Counts) -> NDArray[np.bool_]:
    """Which schedules ask no layer for more tokens than the method can take from it, ``[s]``."""
    fits = np.ones(len(schedules), np.bool_)
    tokens = np.full(len(schedules), tower.num_patches, np.int64)
    for r in schedules.T:
        most = _most(tower, method, tokens)
        fits &= r <= most
        tokens = tokens - np.minimum(r, most)
    return fits


def _most(tower: Tower, method: Method, tokens: Counts) -> Counts:
    prefix = tower.num_prefix
    return _looked_up(lambda n, _: method.most(n + prefix, prefix), tokens, np.zeros_like(tokens))


def _one_layer(tower: Tower, method: Method) -> Callable[[int, int], int]:
    """What a layer costs that ``num_tokens`` patch tokens enter and ``r`` leave."""
    bare = replace(tower, depth=1, patch_values=0, head_width=0, norm_before=False, norm_after=False, norm_pooled=False)

    def cost(num_tokens: int, r: int) -> int:
        one = replace(bare, num_patches=num_tokens)
        # As a difference: a first pass over the whole model is no part of a layer.
        saved = _count(one, replace(method, r=(r,))) - _count(one, replace(method, r=(0,))) if r else 0
        return _count(one, Base()) + saved

    return cost


def _outside_layers(tower: Tower, method: Method) -> int:
    """What stands before the layers, with the first pass of methods that need one."""
    layers = tower.depth * _one_layer(tower, method)(tower.num_patches, 0)
    return _count(tower, replace(method, r=0)) - layers - _tail(tower, tower.num_patches)


def _tail(tower: Tower, num_tokens: int) -> int:
    """What stands after the layers."""
    return _count(replace(tower, depth=0, num_patches=num_tokens, patch_values=0, norm_before=False), Base())


def _count(tower: Tower, method: Method) -> int:
    return round(analytic_gflops(tower, method) * 1e9)


def _looked_up(function: Callable[[int, int], int], tokens: Counts, r: Counts) -> Counts:
    """A function of two counts, called once for each pair that occurs."""
    width = int(r.max(initial=0)) + 1
    pairs, places = np.unique(tokens * width + r, return_inverse=True)
    values = [function(*divmod(pair, width)) for pair in pairs.tolist()]
    return np.array(values, np.int64)[places]
