"""Frames to model size, on 8-bit values. Scaling and normalising belong to the model and run on its device."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_ASPECT_RATIOS = (3 / 4, 4 / 3)  # width / height of a random crop, as in most image training
_CROP_ATTEMPTS = 10


def resize_frames(frames: Tensor, size: int) -> Tensor:
    """Resize straight to a square, bicubic, without antialiasing; the aspect ratio is not kept.

    The published models were trained when resizing a tensor did not antialias: with it every pixel would move. Computed
    in float32 and rounded, not by the 8-bit kernels, whose fixed-point weights depend on the processor.

    Args:
        frames: ``[t, c, h, w]`` uint8.
        size: Height and width of the result in pixels.

    Returns:
        ``[t, c, size, size]`` uint8, contiguous.
    """
    frames = frames.contiguous()  # a decoder's channels-last frames take twice as long
    if frames.shape[-2:] == (size, size):
        return frames
    resized = F.interpolate(frames.float(), size=(size, size), mode="bicubic", align_corners=False, antialias=False)
    return resized.clamp_(0, 255).round_().to(torch.uint8)  # bicubic overshoots at edges


def random_resized_crop(
    frames: Tensor, size: int, scale: tuple[float, float] = (0.5, 1.0), generator: torch.Generator | None = None
) -> Tensor:
    """Cut one random box out of all frames and resize it as :func:`resize_frames` does, for training.

    There is no mirroring: captions tell left from right.

    Args:
        frames: ``[t, c, h, w]`` uint8.
        size: Height and width of the result in pixels.
        scale: Smallest and largest share of the area that the box covers, in (0, 1].
        generator: Source of randomness; None is torch's own.

    Returns:
        ``[t, c, size, size]`` uint8, contiguous.
    """
    height, width = frames.shape[-2:]
    top, left, box_height, box_width = _random_box(height, width, scale, generator)
    return resize_frames(frames[..., top : top + box_height, left : left + box_width], size)


def _random_box(
    height: int, width: int, scale: tuple[float, float], generator: torch.Generator | None
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random box; the whole frame if none of the attempts fits."""
    low, high = (math.log(ratio) for ratio in _ASPECT_RATIOS)
    for _ in range(_CROP_ATTEMPTS):
        area_share, ratio_share, top_share, left_share = torch.rand(
            4, generator=generator, dtype=torch.float64
        ).tolist()
        area = height * width * (scale[0] + (scale[1] - scale[0]) * area_share)
        ratio = math.exp(low + (high - low) * ratio_share)
        box_height, box_width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < box_height <= height and 0 < box_width <= width:
            top, left = int(top_share * (height - box_height + 1)), int(left_share * (width - box_width + 1))
            return top, left, box_height, box_width
    return 0, 0, height, width
