"""What a method does to a clip, drawn on its frames: where tokens merged, what was lost, where scores are high."""

from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image

from vidtldr.drawing.maps import Frames, edges, group_means, hatching, on_pixels

COLOUR_MAP = "inferno"
"""Perceptually uniform: equal steps of a score look equal, also in grey."""

_LINE = np.array((255, 255, 255))
_HATCH = np.array((150, 150, 150))
_MARK = np.array((0, 230, 118))
_DIMMED = 0.35  # what is left of the brightness of a lost patch


class Limits(NamedTuple):
    """The scores that get the lowest and the highest colour.

    Attributes:
        low: Scores up to here get the lowest.
        high: Scores from here on get the highest.
        exceeded: Whether some lie above.
    """

    low: float
    high: float
    exceeded: bool = False

    @classmethod
    def of(cls, values: np.ndarray, *, low: float = 0.0, most: float = 98.0) -> "Limits":
        """Those that show differences among most values: a single outlier does not make all others dark.

        Args:
            values: Scores; what is not known (NaN) does not count.
            low: Where colours begin.
            most: Share of the values, in percent, that the colours reach up to.
        """
        known = values[np.isfinite(values)]
        if not known.size or known.max() <= low:
            return cls(low, low + 1)
        high = float(np.percentile(known, most))
        return cls(low, high, exceeded=True) if low < high < known.max() else cls(low, float(known.max()))


def resized(frames: Frames, height: int) -> Frames:
    """Frames of another height in the same proportions."""
    width = max(1, round(frames.shape[2] * height / frames.shape[1]))
    if frames.shape[1:3] == (height, width):
        return frames
    pictures = (Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC) for frame in frames)
    return np.stack([np.asarray(picture) for picture in pictures])


def merge_map(frames: Frames, owner: np.ndarray, share: np.ndarray | None = None) -> Frames:
    """The clip as its tokens (Fig. 6 of the paper): each group of merged patches in its mean colour, with an outline.

    A group reaches over frames, and has one colour in all of them. What was lost, by dropping or as background that
    counts nothing, is dimmed and hatched.

    Args:
        frames: The clip, ``[T, H, W, 3]``.
        owner: Which token stands for each patch, ``[t, h, w]``; -1 for none.
        share: How much of each patch survives, ``[t, h, w]``, in [0, 1]; weights the mean colours. None means 1.

    Returns:
        As ``frames``.
    """
    shape = frames.shape[:3]
    known = owner >= 0
    alone = -1 - np.arange(owner.size).reshape(owner.shape)  # what nothing stands for is no group
    survives = known.astype(np.float64) if share is None else np.where(known, share, 0.0)
    filled = group_means(frames, on_pixels(np.where(known, owner, alone), shape), on_pixels(survives, shape))
    hatched = _hatched(filled, on_pixels(survives == 0, shape))
    outlined = edges(on_pixels(owner, shape))
    return np.where(outlined[..., None], _LINE, hatched).astype(np.uint8)


def heat_map(frames: Frames, values: np.ndarray, limits: Limits | None = None, *, opacity: float = 0.7) -> Frames:
    """Scores of patches laid over the frames, which are made grey.

    Args:
        frames: The clip, ``[T, H, W, 3]``.
        values: Score of each patch, ``[t, h, w]``; patches without one (NaN) are hatched.
        limits: Scores of the first and the last colour; None takes those of the clip.
        opacity: Of the colours, in [0, 1].

    Returns:
        As ``frames``.
    """
    low, high, _ = limits or Limits.of(values)
    scaled = np.clip((np.nan_to_num(values, nan=low) - low) / (high - low or 1), 0, 1)
    colours = matplotlib.colormaps[COLOUR_MAP](on_pixels(scaled, frames.shape[:3]))[..., :3] * 255
    grey = frames @ np.array((0.299, 0.587, 0.114))  # luma of ITU-R BT.601
    mixed = np.rint(grey[..., None] * (1 - opacity) + colours * opacity).astype(np.uint8)
    return _hatched(mixed, on_pixels(np.isnan(values), frames.shape[:3]))


def mark_patch(frames: Frames, place: tuple[int, int, int], grid: tuple[int, int, int]) -> Frames:
    """Frames with an outline around one patch.

    Args:
        frames: The clip, ``[T, H, W, 3]``.
        place: Step, row and column of the patch.
        grid: Steps, rows and columns of the clip.
    """
    patch = np.zeros(grid, np.bool_)
    patch[place] = True
    steps, rows, columns = (np.unique(axis) for axis in np.nonzero(on_pixels(patch, frames.shape[:3])))
    marked = frames.copy()
    for box in (rows[:2], columns), (rows[-2:], columns), (rows, columns[:2]), (rows, columns[-2:]):
        marked[np.ix_(steps, *box)] = _MARK
    return marked


def side_by_side(*clips: Frames, gap: int = 4, background: int = 255) -> Frames:
    """Clips of one length and height beside each other, to be played together."""
    between = np.full((*clips[0].shape[:2], gap, 3), background, np.uint8)
    joined = [part for clip in clips for part in (between, clip)][1:]
    return np.concatenate(joined, axis=2)


def _hatched(pictures: Frames, where: np.ndarray) -> Frames:
    """Pictures that are dimmed and hatched at some pixels ``[T, H, W]``."""
    dimmed = np.rint(pictures * _DIMMED)
    hatched = np.where(hatching(where.shape)[..., None], _HATCH, dimmed)
    return np.where(where[..., None], hatched, pictures).astype(np.uint8)
