"""Frames to model size, on 8-bit values. Scaling and normalising belong to the model and run on its device."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.clips.opencv_resize import resize_bilinear

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

    There is no mirroring, since captions tell left from right; see :func:`random_mirror`.

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


def crops_along_long_side(frames: Tensor, size: int, num_crops: int) -> Tensor:
    """Resize the short side and cut squares along the long one, as VideoMAE tests.

    Bilinear without antialiasing, with the pixels of OpenCV's 8-bit resize; the long side is truncated to whole pixels,
    and frames whose short side fits are not resized.

    Args:
        frames: ``[t, c, h, w]`` uint8.
        size: Height and width of the result in pixels.
        num_crops: Squares from one end of the long side to the other; a single one is cut from the centre.

    Returns:
        ``[num_crops, t, c, size, size]`` uint8, contiguous.
    """
    height, width = frames.shape[-2:]
    short = min(height, width)
    shape = (height * size // short, width * size // short)
    frames = resize_bilinear(frames, *shape)
    squares = []
    for offset in _offsets(max(shape) - size, num_crops):
        top, left = (offset, 0) if height > width else (0, offset)
        squares.append(frames[..., top : top + size, left : left + size])
    return torch.stack(squares)


def zoomed_short_side(size: int) -> int:
    """The short side in pixels from which :func:`zoomed_centre_crop` cuts."""
    return size * 8 // 7


def zoomed_centre_crop(frames: Tensor, size: int) -> Tensor:
    """Resize the short side to 8/7 of the size and cut the centre, as ViFi-CLIP tests.

    Bilinear without antialiasing as in :func:`crops_along_long_side`; here the long side is rounded to whole pixels.

    Args:
        frames: ``[t, c, h, w]`` uint8.
        size: Height and width of the result in pixels; 224 resizes the short side to 256.

    Returns:
        ``[1, t, c, size, size]`` uint8, contiguous.
    """
    height, width = frames.shape[-2:]
    scale = zoomed_short_side(size) / min(height, width)
    height, width = int(height * scale + 0.5), int(width * scale + 0.5)
    frames = resize_bilinear(frames, height, width)
    top, left = (height - size) // 2, (width - size) // 2
    return frames[None, ..., top : top + size, left : left + size].contiguous()


def random_mirror(frames: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Swap left and right in all frames or in none, each with probability 1/2, for training.

    Args:
        frames: ``[..., h, w]``.
        generator: Source of randomness; None is torch's own.
    """
    return frames.flip(-1) if int(torch.randint(2, (), generator=generator)) else frames


def _offsets(spare: int, num_crops: int) -> list[int]:
    if num_crops == 1:
        return [spare // 2]
    return [int(crop * (spare / (num_crops - 1))) for crop in range(num_crops)]


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
