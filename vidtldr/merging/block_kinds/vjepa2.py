"""The positions by which V-JEPA 2 turns queries and keys: frame, row and column of a token.

V-JEPA 2 (https://arxiv.org/abs/2506.09985) numbers the tokens of a clip row by row and frame by frame. A token that has
moved up in the sequence, since others went, has to keep its place in the grid.
"""

from typing import Any, cast

import torch
from torch import Tensor


def positions(x: Tensor, places: Tensor | None, *, grid_size: int) -> Tensor:
    """Where each token stands in the grid.

    Args:
        x: The tokens, ``[b, n, c]``.
        places: Their numbers in the grid, ``[b, n]``, int64; None means 0 to n - 1.
        grid_size: Tokens in a row, and rows in a frame.

    Returns:
        Frame, row and column of each, ``[b, n, 3]``, int64.
    """
    if places is None:
        places = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)
    within_frame = places % grid_size**2
    return torch.stack([places // grid_size**2, within_frame // grid_size, within_frame % grid_size], dim=-1)


def turn(attention: Any, heads: Tensor, positions: Tensor) -> Tensor:
    """Queries or keys ``[b, h, n, e]`` turned by positions ``[b, n, 3]``; ``attention`` is the layer's own."""
    of_axes = positions.unsqueeze(1).unbind(dim=-1)  # [b, 1, n] each, the same for all heads
    return cast(Tensor, attention.apply_rotary_embeddings(heads, of_axes))
