"""Which frames of a video are looked at."""

import numpy as np
import torch


def middle_frames(length: int, num_frames: int) -> list[int]:
    """The frame in the middle of each of ``num_frames`` equal segments; a shorter video repeats its last frame.

    The rule of the UMT evaluation. It is not "segment centre rounded": the edges are truncated first.

    >>> middle_frames(10, 4)
    [0, 3, 5, 8]
    >>> middle_frames(2, 4)
    [0, 1, 1, 1]

    Args:
        length: Frames in the video, > 0.
        num_frames: Frames wanted, > 0.

    Returns:
        ``num_frames`` indices in [0, length), never decreasing.

    Raises:
        ValueError: One of the arguments is below 1.
    """
    edges = _segment_edges(length, num_frames)
    return _repeat_last((edges[:-1] + edges[1:] - 1) // 2, num_frames)


def random_frames(length: int, num_frames: int, generator: torch.Generator | None = None) -> list[int]:
    """One random frame of each segment of :func:`middle_frames`, for training.

    Args:
        length: Frames in the video, > 0.
        num_frames: Frames wanted, > 0.
        generator: Source of randomness; None is torch's own, which a loader seeds differently in each worker.

    Returns:
        ``num_frames`` indices in [0, length), never decreasing.

    Raises:
        ValueError: One of the arguments is below 1.
    """
    edges = _segment_edges(length, num_frames)
    share = torch.rand(len(edges) - 1, generator=generator, dtype=torch.float64).numpy()
    return _repeat_last(edges[:-1] + (share * np.diff(edges)).astype(np.int64), num_frames)


def segment_centres(length: int, num_frames: int) -> list[int]:
    """The frame at the centre of each of ``num_frames`` equal segments, the rule of the ViFi-CLIP evaluation.

    >>> segment_centres(10, 4)
    [1, 3, 6, 8]

    Args:
        length: Frames in the video, > 0; frames repeat in a video of fewer than ``num_frames``.
        num_frames: Frames wanted, > 0.

    Returns:
        ``num_frames`` indices in [0, length), never decreasing.

    Raises:
        ValueError: One of the arguments is below 1.
    """
    _check_counts(length, num_frames)
    tick = length / num_frames  # multiplied as the reference code does it: other orders round differently
    return [int(i * tick + tick / 2) for i in range(num_frames)]


def interleaved_views(length: int, num_frames: int, num_segments: int) -> list[list[int]]:
    """Clips spread over the whole video, each shifted by a part of the interval, as VideoMAE tests on SSv2.

    >>> interleaved_views(10, 4, 2)
    [[0, 2, 5, 7], [1, 3, 6, 8]]

    Args:
        length: Frames in the video, > 0; frames repeat in a video of fewer than ``num_frames``.
        num_frames: Frames in a clip, > 0.
        num_segments: Clips wanted, > 0; the published code, which fixes 2, is right for no other number.

    Returns:
        ``num_segments`` lists of ``num_frames`` indices in [0, length), never decreasing.

    Raises:
        ValueError: One of the arguments is below 1.
    """
    _check_counts(length, num_frames, num_segments)
    tick = length / num_frames
    return [[int(tick * k / num_segments + tick * i) for i in range(num_frames)] for k in range(num_segments)]


def dense_views(length: int, num_frames: int, stride: int, num_segments: int) -> list[list[int]]:
    """Clips of every ``stride``-th frame, their starts spread over the video, as VideoMAE tests on UCF101.

    A video with too few such frames repeats the last of them, and all its clips are equal.

    >>> dense_views(20, 4, 2, 3)
    [[0, 2, 4, 6], [6, 8, 10, 12], [12, 14, 16, 18]]

    Args:
        length: Frames in the video, > 0.
        num_frames: Frames in a clip, > 0.
        stride: Frames from one frame of a clip to the next, > 0.
        num_segments: Clips wanted, > 0; a single one is taken from the centre, which the published code cannot do.

    Returns:
        ``num_segments`` lists of ``num_frames`` indices in [0, length), never decreasing.

    Raises:
        ValueError: One of the arguments is below 1.
    """
    _check_counts(length, num_frames, stride, num_segments)
    grid = _strided(0, length, num_frames, stride)
    spare = len(grid) - num_frames
    starts = [spare / 2] if num_segments == 1 else [k * (spare / (num_segments - 1)) for k in range(num_segments)]
    return [grid[int(start) : int(start) + num_frames] for start in starts]


def random_dense(length: int, num_frames: int, stride: int, generator: torch.Generator | None = None) -> list[int]:
    """One clip of every ``stride``-th frame that starts at a random frame, for training.

    Args:
        length: Frames in the video, > 0; a video that is too short repeats the last frame of the clip.
        num_frames: Frames in the clip, > 0.
        stride: Frames from one frame of the clip to the next, > 0.
        generator: Source of randomness; None is torch's own, which a loader seeds differently in each worker.

    Returns:
        ``num_frames`` indices in [0, length), never decreasing.

    Raises:
        ValueError: One of the arguments is below 1.
    """
    _check_counts(length, num_frames, stride)
    num_starts = max(length - (num_frames - 1) * stride, 1)
    start = int(torch.randint(num_starts, (), generator=generator))
    return _strided(start, length, num_frames, stride)[:num_frames]


def _check_counts(length: int, num_frames: int, *others: int) -> None:
    if min(length, num_frames, *others) < 1:
        also = f" (stride, segments: {', '.join(map(str, others))})" if others else ""
        raise ValueError(f"cannot sample {num_frames} frames of a video of {length}{also}: all must be at least 1")


def _strided(start: int, length: int, num_frames: int, stride: int) -> list[int]:
    return _repeat_last(np.arange(start, length, stride), num_frames)


def _segment_edges(length: int, num_frames: int) -> np.ndarray:
    _check_counts(length, num_frames)
    # float64 linspace and truncation, not i * length // n: they differ for some n (14, 24, 33)
    return np.linspace(0, length, min(num_frames, length) + 1).astype(np.int64)


def _repeat_last(indices: np.ndarray, num_frames: int) -> list[int]:
    chosen: list[int] = indices.tolist()
    return chosen + [chosen[-1]] * (num_frames - len(chosen))
