"""Which frames of a video training looks at, and which of them a cache keeps for later epochs to choose of."""

from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import torch
from torch import Tensor

from datamodules.clips.sampling import dense_views, middle_frames, random_dense, random_frames

FRAMES_PER_SEGMENT = 2
"""Frames of each segment that a cache keeps."""

WINDOWS_PER_VIDEO = 3
"""Clips of each video that a cache keeps where a clip does not span the video."""


class RandomFrames(Protocol):
    """A way to choose the frames of a training clip."""

    @property
    def num_frames(self) -> int:
        """Frames in a clip."""

    @property
    def num_kept(self) -> int:
        """Frames of a video that a cache keeps."""

    def draw(self, length: int) -> list[int]:
        """``num_frames`` indices in [0, length), chosen anew each time."""

    def keep(self, length: int) -> list[int]:
        """``num_kept`` indices in [0, length), always the same."""

    def draw_kept(self) -> Tensor:
        """Positions ``[num_frames]`` of a clip among the kept frames, chosen anew each time."""


@dataclass(frozen=True)
class SegmentFrames:
    """One random frame of each of ``num_frames`` equal segments of the video."""

    num_frames: int

    @property
    def num_kept(self) -> int:
        """Frames of a video that a cache keeps."""
        return FRAMES_PER_SEGMENT * self.num_frames

    def draw(self, length: int) -> list[int]:
        """As :func:`~datamodules.clips.sampling.random_frames`."""
        return random_frames(length, self.num_frames)

    def keep(self, length: int) -> list[int]:
        """The frames of each segment one after the other."""
        return middle_frames(length, self.num_kept)

    def draw_kept(self) -> Tensor:
        """One kept frame of each segment."""
        choice = torch.randint(FRAMES_PER_SEGMENT, (self.num_frames,))
        return torch.arange(self.num_frames) * FRAMES_PER_SEGMENT + choice


@dataclass(frozen=True)
class WindowFrames:
    """Every ``stride``-th frame from a random one on."""

    num_frames: int
    stride: int

    @property
    def num_kept(self) -> int:
        """Frames of a video that a cache keeps."""
        return WINDOWS_PER_VIDEO * self.num_frames

    def draw(self, length: int) -> list[int]:
        """As :func:`~datamodules.clips.sampling.random_dense`."""
        return random_dense(length, self.num_frames, self.stride)

    def keep(self, length: int) -> list[int]:
        """The clips of a test one after the other."""
        return list(chain.from_iterable(dense_views(length, self.num_frames, self.stride, WINDOWS_PER_VIDEO)))

    def draw_kept(self) -> Tensor:
        """One of the kept clips."""
        window = int(torch.randint(WINDOWS_PER_VIDEO, ()))
        return window * self.num_frames + torch.arange(self.num_frames)
