"""Decoded frames as RGB pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from datamodules.clips.broken import BrokenVideoError
from datamodules.clips.orientation import turn_upright


class Pictures:
    """The pictures asked for, filled in as their frames come."""

    def __init__(self, path: str | Path, indices: Sequence[int]):
        self._path, self._num_pictures = path, len(indices)
        self._places: dict[int, list[int]] = {}  # of each frame among the pictures
        for place, index in enumerate(indices):
            self._places.setdefault(index, []).append(place)
        self.wanted = sorted(self._places)
        self.filled: np.ndarray = np.empty(0, np.uint8)  # [t, h, w, 3] from the first picture on
        self._reformat = VideoReformatter().reformat

    def add(self, index: int, frame: VideoFrame) -> None:
        """Convert a wanted frame, as FFmpeg does by default."""
        rgb = self._reformat(frame, format="rgb24", interpolation="BICUBIC")
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        picture = turn_upright(rows[:, : 3 * plane.width].reshape(plane.height, plane.width, 3), frame)
        if not self.filled.size:
            self.filled = np.empty((self._num_pictures, *picture.shape), np.uint8)
        if self.filled.shape[1:] != picture.shape:
            sizes = " and ".join(f"{width} x {height}" for height, width, _ in (self.filled.shape[1:], picture.shape))
            raise BrokenVideoError(f"{self._path}: its pictures have several sizes ({sizes})")
        self.filled[self._places[index]] = picture
