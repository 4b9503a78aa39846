"""How many tokens each layer merges."""

import math
from collections.abc import Sequence

Rate = int | float
"""Tokens to merge in one layer: a count, or a share of the layer's unprotected tokens if it is below 1."""


def parse_schedule(r: Rate | Sequence[Rate], depth: int) -> tuple[Rate, ...]:
    """Spread ``r`` over the layers: a scalar means every layer, a list the first layers (0 in the others).

    Args:
        r: Counts (whole numbers, 1 means one token) or shares (below 1), also mixed.
        depth: Layers of the model.

    Raises:
        ValueError: A value is negative, not finite or a broken count; or the list is longer than the model is deep.
    """
    if isinstance(r, Sequence) and not isinstance(r, str):
        rates = [_check_rate(value, f"at layer {layer}") for layer, value in enumerate(r, start=1)]
        if any(rates[depth:]):
            raise ValueError(f"r lists {len(rates)} layers, but the model has {depth}")
        return tuple(rates[:depth] + [0] * (depth - len(rates)))
    return (_check_rate(r, "in every layer"),) * depth


def tokens_to_merge(rate: Rate, num_tokens: int) -> int:
    """Turn a count or share into a count, rounding down; ``num_tokens`` leaves prefix tokens out."""
    return int(rate * num_tokens) if rate < 1 else int(rate)


def _check_rate(value: object, where: str) -> Rate:
    legal = "a whole number of tokens >= 0 or a share below 1"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"r={value!r} {where} is not {legal}")
    if value >= 1 and value != int(value):
        raise ValueError(f"r={value!r} {where} is not {legal}: a count has no fraction")
    return int(value) if value >= 1 else value
