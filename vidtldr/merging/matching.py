"""Bipartite soft matching between even and odd tokens, and the merge that follows from it.

The matching is ToMe's (arXiv:2210.09461, section 3); vid-TLDR (arXiv:2403.13347) shares it and differs in what is
compared and in how sources are weighted. A match yields a :class:`MergePlan`: indices that are computed once and
applied to features, masses and source maps alike.

Notation: b clips, n tokens of which the first p are prefix tokens (class, registers), s source and d destination
tokens with ``p + s + d = n``, r merged tokens, c channels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class MergePlan:
    """Which source token merges into which destination.

    Positions 0, 2, 4, ... of the whole sequence are sources and 1, 3, 5, ... destinations; prefix tokens are neither.
    After the merge the order is: prefix, unmerged sources, destinations.

    Attributes:
        num_tokens: Tokens before the merge, n.
        num_prefix: Prefix tokens, p; they stay in front, untouched.
        unmerged: Sources that stay, ``[b, s - r]``, int64, counted among the sources.
        source: Sources that merge, ``[b, r]``, int64, counted among the sources, most similar first.
        target: The destination of each of them, ``[b, r]``, int64, counted among the destinations.
    """

    num_tokens: int
    num_prefix: int
    unmerged: Tensor
    source: Tensor
    target: Tensor

    @property
    def num_merged(self) -> int:
        """Tokens that disappear, r."""
        return self.source.shape[1]

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cut ``[b, n, ...]`` into prefix ``[b, p, ...]``, sources ``[b, s, ...]`` and destinations ``[b, d, ...]``.

        Raises:
            ValueError: The plan was made for another number of tokens.
        """
        check_plan_fits(self.num_tokens, x)
        return _split(x, self.num_prefix)

    def origins(self) -> tuple[Tensor, Tensor]:
        """Where the tokens after the merge stood before it, ``[b, n - r]``, and the merged sources, ``[b, r]``."""
        positions = torch.arange(self.num_tokens, device=self.source.device).expand(len(self.source), -1)
        prefix, sources, destinations = _split(positions, self.num_prefix)
        kept = torch.cat([prefix, sources.gather(1, self.unmerged), destinations], dim=1)
        return kept, sources.gather(1, self.source)

    def positions(self) -> Tensor:
        """Where each token stands after the merge, ``[b, n]``, int64; a merged source stands at its destination."""
        batch, device = self.source.shape[0], self.source.device
        num_unmerged, num_prefix = self.unmerged.shape[1], self.num_prefix
        first_destination = num_prefix + num_unmerged
        positions = torch.arange(self.num_tokens, device=device).repeat(batch, 1)
        _, sources, destinations = _split(positions, num_prefix)  # views: writing to them fills `positions`
        stay = torch.arange(num_prefix, first_destination, device=device).expand(batch, -1)
        sources.scatter_(1, self.unmerged, stay)
        sources.scatter_(1, self.source, self.target + first_destination)
        destinations.copy_(torch.arange(destinations.shape[1], device=device) + first_destination)
        return positions


def check_plan_fits(num_tokens: int, x: Tensor) -> None:
    """Raise ValueError if a plan for so many tokens is applied to ``[b, n, ...]`` with another n."""
    if x.shape[1] != num_tokens:
        raise ValueError(f"a plan for {num_tokens} tokens cannot be applied to {x.shape[1]} tokens")


def max_mergeable(num_tokens: int, num_prefix: int = 0) -> int:
    """The most tokens that one layer can merge: half of the unprotected ones, rounded down."""
    return max(num_tokens - num_prefix, 0) // 2


def match(metric: Tensor, r: int, *, num_prefix: int = 0, keep_order: bool = True) -> MergePlan | None:
    """Pair each source token with its most similar destination and keep the ``r`` closest pairs.

    Similarity is the cosine, computed in float32 (float64 for float64 input) whatever the model runs in, since half
    precision leaves many sources tied at the cut. Ties go to the earlier token.

    Args:
        metric: What tokens are compared by, ``[b, n, c]``, any floating dtype.
        r: Tokens to merge; more than :func:`max_mergeable` allows is cut down to that.
        num_prefix: Tokens in front that take no part.
        keep_order: Leave unmerged sources in the order they had. Otherwise they come most similar first, as in the
            official ToMe code for models without a class token.

    Returns:
        The plan, or ``None`` if nothing is to merge.
    """
    num_tokens = metric.shape[1]
    r = min(r, max_mergeable(num_tokens, num_prefix))
    if r <= 0:
        return None
    with torch.no_grad(), torch.autocast(metric.device.type, enabled=False):
        metric = F.normalize(at_least_float32(metric), dim=-1)
        _, sources, destinations = _split(metric, num_prefix)
        similarity, target = (sources @ destinations.transpose(1, 2)).max(dim=2)  # [b, s, d] -> [b, s]
        order = similarity.argsort(dim=1, descending=True, stable=True)
        source, unmerged = order[:, :r], order[:, r:]
        if keep_order:
            unmerged = unmerged.sort(dim=1).values
    return MergePlan(num_tokens, num_prefix, unmerged, source, target.gather(1, source))


def merge_tokens(
    x: Tensor, mass: Tensor | None, plan: MergePlan, source_weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Average matched tokens, weighted by mass and, for the sources, by ``source_weight``.

    Implements Eq. 10-11 of vid-TLDR; without ``source_weight`` it is ToMe's mass-weighted mean. Only merged sources
    are weighted: destinations and unmerged tokens keep their mass, so no mass ever falls below 1.

    Args:
        x: Tokens, ``[b, n, c]``, any floating dtype.
        mass: Mass of each token, ``[b, n]``, float32 (float64 for float64 tokens); ``None`` means 1 each.
        plan: Indices from :func:`match`, made for the same n.
        source_weight: Factor on the mass of each token if it merges as a source, ``[b, n]``, in [0, 1].

    Returns:
        Tokens ``[b, n - r, c]`` in the dtype of ``x``, and their masses ``[b, n - r]``, in the dtype of ``mass``.

    Raises:
        ValueError: ``plan`` was made for another number of tokens.
    """
    check_plan_fits(plan.num_tokens, x)
    masses = x.new_ones(x.shape[:2], dtype=torch.promote_types(x.dtype, torch.float32)) if mass is None else mass
    prefix_mass, source_mass, destination_mass = plan.split(masses)
    moving_mass = source_mass.gather(1, plan.source)
    if source_weight is not None:
        moving_mass = moving_mass * plan.split(source_weight)[1].gather(1, plan.source)
    new_mass = destination_mass.scatter_add(1, plan.target, moving_mass)  # m_d + sum of s_i m_i

    # A mean in float32: sums of half-precision features times masses would overflow or lose the small terms.
    kept, merging = plan.origins()
    moving = at_least_float32(take_tokens(x, merging)) * moving_mass.unsqueeze(-1)
    tokens = at_least_float32(take_tokens(x, kept))
    first_merged = tokens.shape[1] - new_mass.shape[1]
    merged = tokens[:, first_merged:]
    if mass is not None:
        merged.mul_(destination_mass.unsqueeze(-1))
    _scatter_add(tokens, plan.target + first_merged, moving.to(tokens.dtype))
    merged.div_(new_mass.unsqueeze(-1))

    masses = torch.cat([prefix_mass, source_mass.gather(1, plan.unmerged), new_mass], dim=1)
    return tokens.to(x.dtype), masses


def take_tokens(x: Tensor, index: Tensor) -> Tensor:
    """Tokens ``[b, k, ...]`` of ``[b, n, ...]`` at ``[b, k]``."""
    return x.flatten(0, 1).index_select(0, _rows(index, x.shape[1])).view(*index.shape, *x.shape[2:])


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32, or as it is if it is wider already."""
    return x if x.dtype == torch.float64 else x.float()


def _split(x: Tensor, num_prefix: int) -> tuple[Tensor, Tensor, Tensor]:
    # Even and odd are counted over the whole sequence, prefix included, as in ToMe's official code.
    first_even = num_prefix + num_prefix % 2
    first_odd = num_prefix + 1 - num_prefix % 2
    return x[:, :num_prefix], x[:, first_even::2], x[:, first_odd::2]


def _scatter_add(x: Tensor, index: Tensor, added: Tensor) -> None:
    """Add tokens ``[b, k, c]`` to those of a contiguous ``[b, n, c]`` at ``[b, k]``, in place."""
    rows = _rows(index, x.shape[1]).unsqueeze(-1).expand(-1, x.shape[2])
    x.view(-1, x.shape[2]).scatter_add_(0, rows, added.flatten(0, 1))


def _rows(index: Tensor, num_tokens: int) -> Tensor:
    """``[b, k]`` counted within clips, as ``[b * k]`` counted over all of them.

    So all clips' tokens are one matrix, whose rows PyTorch moves whole: several times as fast as in a batch of them.
    """
    first = torch.arange(len(index), device=index.device).unsqueeze(1) * num_tokens
    return (index + first).flatten()
