"""Frames through torchcodec in its exact mode, which scans a file before it seeks. Needs FFmpeg's shared libraries."""

from pathlib import Path

import numpy as np
import torchcodec
from torchcodec.decoders import VideoDecoder

from datamodules.clips.broken import BrokenVideoError, failures_as_broken
from datamodules.clips.spans import FrameSampler, frames_within

VERSION = f"torchcodec {torchcodec.__version__}"


def read_frames(path: str | Path, sample: FrameSampler, max_seconds: float | None = None) -> np.ndarray:
    """Decode the frames that a sampler asks for; see :func:`~datamodules.clips.decoder.read_clip`.

    Returns:
        ``[t, h, w, 3]`` uint8 RGB.

    Raises:
        BrokenVideoError: The file cannot be opened, has no frame, or a chosen frame cannot be decoded.
    """
    with failures_as_broken(path):  # RuntimeError, ValueError, IndexError, by where its C++ code stopped
        decoder = VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=1, dimension_order="NHWC")
        num_frames = len(decoder)
        if num_frames < 1:
            raise BrokenVideoError(f"{path}: holds no video frame")
        fps = float(decoder.metadata.average_fps or 0)
        in_span = num_frames if max_seconds is None else frames_within(path, num_frames, fps, max_seconds)
        frames: np.ndarray = decoder.get_frames_at([int(index) for index in sample(in_span)]).data.numpy()
        return frames
