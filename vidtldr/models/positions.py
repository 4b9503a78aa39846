"""Position tables of vision transformers: the fixed one of sines and cosines, and any one stretched to another grid."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate


class Grid(NamedTuple):
    """How many tokens a clip has along each axis; they run in this order."""

    time: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.time}x{self.height}x{self.width}"


def sinusoid_table(num_positions: int, width: int) -> Tensor:
    """Sine-cosine table over the flat token index, ``[1, num_positions, width]``, float32.

    Even channels hold sines, odd ones cosines, with exponent ``2 * (j // 2) / width``. Computed in float64 because
    angles go into the thousands. (UMT and VideoMAE, ``get_sinusoid_encoding_table``.)
    """
    position = torch.arange(num_positions, dtype=torch.float64).unsqueeze(1)
    exponent = torch.arange(width, dtype=torch.float64).div(2, rounding_mode="floor") * 2 / width
    angle = position / 10000.0**exponent
    angle[:, 0::2] = angle[:, 0::2].sin()
    angle[:, 1::2] = angle[:, 1::2].cos()
    return angle.unsqueeze(0).float()


def stretch(table: Tensor, old: Grid, new: Grid, *, antialias: bool = False) -> Tensor:
    """A position table for a grid of another size: bicubic over each frame, then linear over time.

    As UMT's ``get_sinusoid_encoding_table`` does; with ``antialias`` over a frame, as open_clip's ``resize_pos_embed``.

    Args:
        table: One vector a position, ``[1, time * height * width, d]``, of the old grid.
        old: What it was made for.
        new: What it shall fit.
        antialias: Smooth where the grid becomes smaller.

    Returns:
        ``[1, n, d]`` of the new grid; the table itself where both are the same.
    """
    width = table.shape[-1]
    if old[1:] != new[1:]:
        frames = table.reshape(old.time, old.height, old.width, width).permute(0, 3, 1, 2)  # [t, d, h, w]
        frames = interpolate(frames, size=new[1:], mode="bicubic", align_corners=False, antialias=antialias)
        table = frames.permute(0, 2, 3, 1).reshape(1, -1, width)
    if old.time != new.time:
        lines = table.reshape(old.time, -1).t().unsqueeze(0)  # [1, h * w * d, t]
        lines = interpolate(lines, size=new.time, mode="linear", align_corners=False)
        table = lines.squeeze(0).t().reshape(1, -1, width)
    return table
