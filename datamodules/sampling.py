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


def _segment_edges(length: int, num_frames: int) -> np.ndarray:
    if length < 1 or num_frames < 1:
        raise ValueError(f"cannot sample {num_frames} frames of a video of {length}: both must be at least 1")
    # float64 linspace and truncation, not i * length // n: they differ for some n (14, 24, 33)
    return np.linspace(0, length, min(num_frames, length) + 1).astype(np.int64)


def _repeat_last(indices: np.ndarray, num_frames: int) -> list[int]:
    chosen = indices.tolist()
    return chosen + [chosen[-1]] * (num_frames - len(chosen))
