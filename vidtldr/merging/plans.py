"""Dropping tokens: the plan that a ranking leads to. What :mod:`vidtldr.merging.matching` is to merging."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vidtldr.merging.matching import check_plan_fits, take_tokens

# Multiples of 2^32 divided by the golden ratio, taken modulo 2^32, spread evenly wherever one stops.
_STEP, _MODULUS = 2654435769, 2**32


@dataclass(frozen=True)
class PrunePlan:
    """Which tokens stay; the others are gone, and nothing stands for them.

    Attributes:
        num_tokens: Tokens before, n.
        kept: Positions of the tokens that stay, prefix included, ``[b, n - r]``, int64, ascending.
        dropped: Positions of those that go, ``[b, r]``, int64, lowest score first.
    """

    num_tokens: int
    kept: Tensor
    dropped: Tensor

    def take(self, x: Tensor) -> Tensor:
        """The tokens that stay, in the order they had: ``[b, n, ...]`` to ``[b, n - r, ...]``.

        Raises:
            ValueError: The plan was made for another number of tokens.
        """
        check_plan_fits(self.num_tokens, x)
        return take_tokens(x, self.kept)

    def positions(self) -> Tensor:
        """Where each token stands afterwards, ``[b, n]``, int64; -1 for a token that was dropped."""
        batch, num_kept = self.kept.shape
        positions = torch.full((batch, self.num_tokens), -1, device=self.kept.device)
        return positions.scatter(1, self.kept, torch.arange(num_kept, device=self.kept.device).expand(batch, -1))


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
