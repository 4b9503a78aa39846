"""Which tokens to drop, by a score: what :mod:`vidtldr.merging.matching` is to merging."""

import torch
from torch import Tensor

from vidtldr.merging.plans import PrunePlan

# Multiples of 2^32 divided by the golden ratio, taken modulo 2^32, spread evenly wherever one stops.
_STEP, _MODULUS = 2654435769, 2**32


def max_droppable(num_tokens: int, num_prefix: int = 0) -> int:
    """The most tokens that one layer can drop: all unprotected ones but one."""
    return max(num_tokens - num_prefix - 1, 0)


def drop_lowest(score: Tensor, r: int, *, num_prefix: int = 0) -> PrunePlan | None:
    """Drop the ``r`` tokens with the lowest score.

    Equal scores go in an order that is spread evenly over the clip: of a clip whose tokens all score the same every
    second or third is lost, not the last frames.

    Args:
        score: ``[b, n]``, float32 or wider.
        r: Tokens to drop; more than :func:`max_droppable` allows is cut down to that.
        num_prefix: Tokens in front that always stay.

    Returns:
        The plan, or ``None`` if nothing is to drop.
    """
    batch, num_tokens = score.shape
    r = min(r, max_droppable(num_tokens, num_prefix))
    if r <= 0:
        return None
    with torch.no_grad():
        spread = (torch.arange(num_tokens - num_prefix, device=score.device) * _STEP).remainder(_MODULUS).argsort()
        order = spread[score[:, num_prefix:][:, spread].argsort(dim=1, stable=True)] + num_prefix  # lowest first
        prefix = torch.arange(num_prefix, device=score.device).expand(batch, -1)
        return PrunePlan(num_tokens, torch.cat([prefix, order[:, r:].sort(dim=1).values], dim=1), order[:, :r])
