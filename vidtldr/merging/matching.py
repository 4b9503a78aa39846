"""Bipartite soft matching between even and odd tokens, and the merge that follows from it.

The matching is ToMe's (arXiv:2210.09461, section 3); vid-TLDR (arXiv:2403.13347) shares it and differs in what is
compared and in how sources are weighted. A match yields a
:class:`~vidtldr.merging.plans.MergePlan`.

Notation: b clips, n tokens of which the first p are prefix tokens (class, registers), s source and d destination
tokens with ``p + s + d = n``, r merged tokens, c channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidtldr.merging.attention.backends import small_kernels_run
from vidtldr.merging.plans import MergePlan, split_tokens
from vidtldr.merging.tokens import add_to_tokens, at_least_float32, take_tokens


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
    if small_kernels_run(metric):
        from vidtldr.merging.matching_triton import match_tokens  # late: Triton is optional

        return MergePlan(num_tokens, num_prefix, *match_tokens(metric, r, num_prefix, keep_order))
    with torch.no_grad(), torch.autocast(metric.device.type, enabled=False):
        metric = F.normalize(at_least_float32(metric), dim=-1)
        _, sources, destinations = split_tokens(metric, num_prefix)
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
    plan.check_fits(x)
    if small_kernels_run(x, mass, source_weight):
        from vidtldr.merging.matching_triton import merge_matched  # late: Triton is optional

        by_kernel: tuple[Tensor, Tensor] = merge_matched(
            x, mass, source_weight, plan.unmerged, plan.source, plan.target, plan.num_prefix
        )
        return by_kernel
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
    merged = tokens[:, plan.first_destination :]
    if mass is not None:
        merged.mul_(destination_mass.unsqueeze(-1))
    add_to_tokens(tokens, plan.heirs(), moving.to(tokens.dtype))
    merged.div_(new_mass.unsqueeze(-1))

    masses = torch.cat([prefix_mass, source_mass.gather(1, plan.unmerged), new_mass], dim=1)
    return tokens.to(x.dtype), masses
