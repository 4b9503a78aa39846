"""MLERP merging (arXiv:2312.01026): a mean that is as long as the longest token of its group.

The mean of tokens that point in different directions is shorter than they are, and a later norm of the layer does not
undo it where it is added to what stands beside it.
"""

import torch
from torch import Tensor

from vidtldr.merging.plans import Plan
from vidtldr.merging.tokens import at_least_float32


def rescale_to_longest(merged: Tensor, x: Tensor, plan: Plan, source_weight: Tensor | None = None) -> Tensor:
    """Give each mean the length of the longest token that is in it.

    Args:
        merged: Means, ``[b, n - r, c]``, any floating dtype.
        x: The tokens before, ``[b, n, c]``.
        plan: Which of them went where.
        source_weight: Factor on what a source counts, ``[b, n]``; one that counts nothing is not in the mean.

    Returns:
        ``[b, n - r, c]``; tokens into which none merged, and means of length 0, stay as they are.
    """
    kept, gone = plan.origins()
    heirs = plan.heirs()
    lengths: Tensor = at_least_float32(x).norm(dim=-1)
    of_sources = lengths.gather(1, gone)
    if source_weight is not None:
        of_sources = of_sources.masked_fill(source_weight.gather(1, gone) <= 0, 0)
    longest = lengths.gather(1, kept).scatter_reduce(1, heirs, of_sources, "amax")
    length: Tensor = at_least_float32(merged).norm(dim=-1)
    is_mean = torch.zeros_like(length).scatter(1, heirs, 1) * length > 0
    factor = torch.where(is_mean, longest / length.where(is_mean, 1), 1)
    return (at_least_float32(merged) * factor.unsqueeze(-1)).to(merged.dtype)
