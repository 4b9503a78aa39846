"""From what is known of patches to what is known of pixels: labels, edges, mean colours, hatching.

Notation: a clip has T frames of H x W pixels and t x h x w patches; a patch is a tubelet where t < T. Patches need not
divide the pixels evenly.
"""

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""Frames of a clip, ``[T, H, W, 3]``, RGB."""


def on_pixels(patches: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """What each patch ``[t, h, w]`` has, for each of its pixels, ``[T, H, W]``.

    Raises:
        ValueError: There are more patches than pixels.
    """
    if any(size < count for size, count in zip(shape, patches.shape, strict=True)):
        raise ValueError(f"{_by(patches.shape)} patches do not fit into {_by(shape)} pixels")
    time, row, column = (np.arange(size) * count // size for size, count in zip(shape, patches.shape, strict=True))
    return patches[time[:, None, None], row[:, None], column]


def edges(labels: np.ndarray, thickness: int = 1) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour in the same frame has another label.

    Args:
        labels: ``[T, H, W]``, of pixels.
        thickness: Of the line in pixels; it grows to the left and upwards.

    Returns:
        ``[T, H, W]``.
    """
    found = np.zeros(labels.shape, np.bool_)
    for step in range(1, thickness + 1):
        found[:, :, :-step] |= labels[:, :, :-step] != labels[:, :, step:]
        found[:, :-step] |= labels[:, :-step] != labels[:, step:]
    return found


def group_means(frames: Frames, labels: np.ndarray, weight: np.ndarray | None = None) -> Frames:
    """Each pixel in the mean colour of its group, over all frames of the clip.

    Args:
        frames: The clip.
        labels: Group of each pixel, ``[T, H, W]``, any integers.
        weight: How much each pixel counts, ``[T, H, W]``, >= 0; a group in which none counts is a plain mean.
    """
    _, group = np.unique(labels, return_inverse=True)
    group = group.reshape(-1)
    weights = np.ones(group.shape) if weight is None else weight.reshape(-1).astype(np.float64)
    total = np.bincount(group, weights)
    weights = np.where(total[group] > 0, weights, 1.0)
    total = np.bincount(group, weights)
    means = np.stack(
        [np.bincount(group, weights * frames[..., channel].reshape(-1)) / total for channel in range(3)], axis=-1
    )
    return np.rint(means).astype(np.uint8)[group].reshape(frames.shape)


def hatching(shape: tuple[int, int, int], period: int = 8, thickness: int = 2) -> NDArray[np.bool_]:
    """Diagonal lines, the same in each frame, ``[T, H, W]``."""
    row, column = np.arange(shape[1])[:, None], np.arange(shape[2])
    return np.broadcast_to((row + column) % period < thickness, shape)


def _by(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))
