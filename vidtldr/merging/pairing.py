"""Pairs of a source and a destination that may stand anywhere: how they are found otherwise than by matching.

:mod:`vidtldr.merging.matching` divides tokens by even and odd positions, and merges faster for it.

Notation: b clips, n tokens of which the first p are prefix tokens, r pairs, c channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidtldr.merging.matching import max_mergeable
from vidtldr.merging.plans import PairPlan
from vidtldr.merging.tokens import add_to_tokens, at_least_float32, take_tokens


def pair_at_random(order: Tensor, choice: Tensor, r: int, *, num_prefix: int = 0) -> PairPlan | None:
    """Pair ``r`` random tokens with random ones of those that stay.

    Args:
        order: The lowest of these numbers make a token a source, ``[b, n]``.
        choice: In [0, 1), says which destination the source at the same place in the drawn order gets, ``[b, n]``.
        r: Tokens to merge; more than :func:`~vidtldr.merging.matching.max_mergeable` allows is cut down to that.
        num_prefix: Tokens in front that take no part.

    Returns:
        The plan, or ``None`` if nothing is to merge.
    """
    num_tokens = order.shape[1]
    r = min(r, max_mergeable(num_tokens, num_prefix))
    if r <= 0:
        return None
    drawn = order[:, num_prefix:].argsort(dim=1, stable=True) + num_prefix
    source, destinations = drawn[:, :r], drawn[:, r:]
    # float32 numbers just below 1 times a count may round up to it
    which = (choice[:, :r] * destinations.shape[1]).long().clamp(max=destinations.shape[1] - 1)
    return _plan(num_tokens, source, destinations.gather(1, which))


def energies(similarity: Tensor, margin: float) -> Tensor:
    """How much each token is like the others (PiToMe, arXiv:2405.16148): the mean of ``ELU(similarity - margin)``.

    Args:
        similarity: Cosines of all pairs, a token with itself included, ``[b, n, n]``.
        margin: Similarities below it count as unlike.

    Returns:
        ``[b, n]``.
    """
    energy: Tensor = F.elu(similarity - margin).mean(dim=2)
    return energy


def pair_by_energy(metric: Tensor, r: int, *, margin: float, num_prefix: int = 0) -> PairPlan | None:
    """Pair the tokens that are like many others, and protect those that stand alone (PiToMe).

    Of the ``2r`` tokens with the most energy the first, third, ... are sources and the others destinations; each source
    goes to the destination that is most similar to it. Ties go to the earlier token.

    Args:
        metric: What tokens are compared by, ``[b, n, c]``, any floating dtype.
        r: Tokens to merge; more than half of the unprotected ones is cut down to that.
        margin: See :func:`energies`.
        num_prefix: Tokens in front that take no part.

    Returns:
        The plan, or ``None`` if nothing is to merge.
    """
    num_tokens = metric.shape[1]
    r = min(r, max_mergeable(num_tokens, num_prefix))
    if r <= 0:
        return None
    with torch.no_grad(), torch.autocast(metric.device.type, enabled=False):
        metric = F.normalize(at_least_float32(metric[:, num_prefix:]), dim=-1)
        similarity = metric @ metric.transpose(1, 2)
        paired = energies(similarity, margin).argsort(dim=1, descending=True, stable=True)[:, : 2 * r]
        sources, destinations = paired[:, 0::2], paired[:, 1::2]
        of_sources = take_tokens(similarity, sources)  # [b, r, n - p]
        among = of_sources.gather(2, destinations.unsqueeze(1).expand(-1, r, -1))  # [b, r, r]
        target = destinations.gather(1, among.argmax(dim=2))
    return _plan(num_tokens, sources + num_prefix, target + num_prefix)


def merge_pairs(x: Tensor, mass: Tensor | None, plan: PairPlan) -> tuple[Tensor, Tensor]:
    """Average paired tokens, weighted by mass; tokens in no pair stay as they are, to the last bit.

    Args:
        x: Tokens, ``[b, n, c]``, any floating dtype.
        mass: Mass of each token, ``[b, n]``, float32 (float64 for float64 tokens); ``None`` means 1 each.
        plan: Who merges into whom.

    Returns:
        Tokens ``[b, n - r, c]`` in the dtype of ``x``, and their masses ``[b, n - r]``, in the dtype of ``mass``.

    Raises:
        ValueError: ``plan`` was made for another number of tokens.
    """
    plan.check_fits(x)
    masses = x.new_ones(x.shape[:2], dtype=torch.promote_types(x.dtype, torch.float32)) if mass is None else mass
    heirs, kept_mass, moving_mass = plan.heirs(), plan.take(masses), masses.gather(1, plan.source)
    new_mass = kept_mass.scatter_add(1, heirs, moving_mass)
    # A mean in float32, as a sum of shares: that of a token in no pair is just 1.
    tokens = at_least_float32(plan.take(x)) * (kept_mass / new_mass).unsqueeze(-1)
    shares = (moving_mass / new_mass.gather(1, heirs)).unsqueeze(-1)
    add_to_tokens(tokens, heirs, (at_least_float32(take_tokens(x, plan.source)) * shares).to(tokens.dtype))
    return tokens.to(x.dtype), new_mass


def _plan(num_tokens: int, source: Tensor, target: Tensor) -> PairPlan:
    goes = torch.zeros(len(source), num_tokens, dtype=torch.int64, device=source.device).scatter(1, source, 1)
    kept = goes.argsort(dim=1, stable=True)[:, : num_tokens - source.shape[1]]
    return PairPlan(num_tokens, kept.contiguous(), source, target)
