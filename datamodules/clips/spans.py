"""How many frames a sampler may choose from."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from datamodules.clips.broken import BrokenVideoError

FrameSampler = Callable[[int], Sequence[int]]
"""From the number of frames in a video to the indices wanted, in the order wanted."""


def frames_within(path: str | Path, num_frames: int, fps: float, max_seconds: float) -> int:
    """Frames in the first ``max_seconds`` of a video, at least one; all of them if it is shorter.

    Raises:
        BrokenVideoError: The file tells no frame rate.
    """
    if not 0 < fps < math.inf:  # false for NaN too
        raise BrokenVideoError(f"{path}: tells no frame rate (fps={fps:g}), so its first {max_seconds:g} s are unknown")
    return max(1, int(max_seconds * fps)) if num_frames / fps > max_seconds else num_frames
