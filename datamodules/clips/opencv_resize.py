"""Bilinear resizing of 8-bit frames as OpenCV does it, in integers: the same pixels on every processor."""

import numpy as np
import torch
from torch import Tensor

_ONE = 2048  # the weight 1; OpenCV rounds weights to 11 bits (INTER_RESIZE_COEF_BITS in imgproc/src/resize.cpp)


def resize_bilinear(frames: Tensor, height: int, width: int) -> Tensor:
    """Resize 8-bit frames like ``cv2.resize(..., interpolation=cv2.INTER_LINEAR)``, bit for bit.

    There is no antialiasing. Weights and intermediate sums are those of OpenCV's fixed-point arithmetic, whose results
    differ by one level from rounded real numbers in about a tenth of all pixel values.

    Args:
        frames: ``[t, c, h, w]`` uint8 on the CPU, in any memory layout.
        height: Height of the result in pixels.
        width: Width of the result in pixels.

    Returns:
        ``[t, c, height, width]`` uint8, contiguous.
    """
    if frames.shape[-2:] == (height, width):
        return frames.contiguous()
    left, right, left_weight, right_weight = _neighbours(frames.shape[-1], width)
    top, bottom, top_weight, bottom_weight = _neighbours(frames.shape[-2], height)
    top_weight, bottom_weight = top_weight[:, None], bottom_weight[:, None]
    resized = np.empty((*frames.shape[:2], height, width), dtype=np.uint8)
    for source, result in zip(frames.numpy(), resized, strict=True):  # one by one: the sums of a frame fit in cache
        # Shifts drop bits where OpenCV does, so that 32 and in its vector code 16 bits suffice.
        rows = (source.take(left, -1) * left_weight + source.take(right, -1) * right_weight) >> 4  # [c, h, width]
        sums = (rows[:, top] * top_weight >> 16) + (rows[:, bottom] * bottom_weight >> 16)  # [c, height, width]
        result[:] = (sums + 2) >> 2  # at most 255, since the weights of two neighbours sum to 1
    return torch.from_numpy(resized)


def _neighbours(given: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The two pixels between which each wanted pixel lies, and their weights, ``[wanted]`` each; edges are repeated."""
    scale = 1 / (wanted / given)  # as OpenCV divides twice, which may round differently from given / wanted
    place = ((np.arange(wanted) + 0.5) * scale - 0.5).astype(np.float32)
    before = np.floor(place)
    share = place - before
    weights = [np.rint(part * np.float32(_ONE)).astype(np.int32) for part in (np.float32(1) - share, share)]
    first, second = (np.clip(before.astype(np.int64) + step, 0, given - 1) for step in (0, 1))
    return first, second, weights[0], weights[1]
