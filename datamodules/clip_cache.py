"""Decoded training frames on disk, so that only the first epoch decodes."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor


class ClipCache:
    """A memory-mapped array of frames, shared by all worker processes and filled as videos come along.

    It lives as long as the run that made it: a cache that outlived a change of transform would be wrong in silence.

    Args:
        folder: Where the two files of the cache are written; must exist.
        num_videos: Videos in total.
        frames_shape: ``(t, c, h, w)`` of the frames kept of each video.
    """

    def __init__(self, folder: Path, num_videos: int, frames_shape: tuple[int, int, int, int]) -> None:
        shape = (num_videos, *frames_shape)
        size = torch.Size(shape).numel()
        self._frames = torch.from_file(str(folder / "frames"), shared=True, size=size, dtype=torch.uint8).view(shape)
        self._filled = torch.from_file(str(folder / "filled"), shared=True, size=num_videos, dtype=torch.bool)

    def get(self, index: int, read: Callable[[], Tensor]) -> Tensor:
        """Frames ``[t, c, h, w]`` of a video: kept ones, or those that ``read`` returns, which are kept.

        Errors of ``read`` pass through and leave the place empty.
        """
        if not self._filled[index]:
            self._frames[index] = read()
            self._filled[index] = True  # only now: a worker that dies before leaves the place empty
        return self._frames[index]
