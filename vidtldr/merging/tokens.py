"""Tokens of a batch by their positions: taken, and added to."""

import torch
from torch import Tensor


def take_tokens(x: Tensor, index: Tensor) -> Tensor:
    """Tokens ``[b, k, ...]`` of ``[b, n, ...]`` at ``[b, k]``."""
    return x.flatten(0, 1).index_select(0, _rows(index, x.shape[1])).view(*index.shape, *x.shape[2:])


def add_to_tokens(x: Tensor, index: Tensor, added: Tensor) -> None:
    """Add tokens ``[b, k, c]`` to those of a contiguous ``[b, n, c]`` at ``[b, k]``, in place."""
    rows = _rows(index, x.shape[1]).unsqueeze(-1).expand(-1, x.shape[2])
    x.view(-1, x.shape[2]).scatter_add_(0, rows, added.flatten(0, 1))


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32, or as it is if it is wider already."""
    return x if x.dtype == torch.float64 else x.float()


def _rows(index: Tensor, num_tokens: int) -> Tensor:
    """``[b, k]`` counted within clips, as ``[b * k]`` counted over all of them.

    So all clips' tokens are one matrix, whose rows PyTorch moves whole: several times as fast as in a batch of them.
    """
    first = torch.arange(len(index), device=index.device).unsqueeze(1) * num_tokens
    return (index + first).flatten()
