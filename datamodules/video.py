"""The one place that knows the video decoder.

decord is wrapped here and nowhere else: every way in which it fails becomes one :class:`BrokenVideoError`. A reader is
opened and dropped for each video, since it cannot be pickled and holds the file open.

Frames are counted in decode order, not by timestamp, so in a file of variable frame rate "uniform" means uniform in
index, as in the published evaluations.
"""

import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

# Read when decord is loaded: 0 forbids handing out an earlier frame where the last ones do not decode.
os.environ["DECORD_REWIND_RETRY_MAX"] = "0"

import decord
import numpy as np
import torch
from torch import Tensor

decord.logging.set_level(decord.logging.QUIET)  # FFmpeg would print its complaint beside our error

DECODER = f"decord {decord.__version__}"
"""Decoder and version, for the result record: different decoders give different frames."""

FrameSampler = Callable[[int], Sequence[int]]
"""From the number of frames in a video to the indices wanted, in the order wanted."""

_NO_RECOVERED_FRAME = 1e-9  # as a share of all frames, since decord takes a plain 0 for "any number"
_MEANINGS = {  # decord's words and what they mean to the owner of a file
    "cannot find video stream": "it holds no video stream",
    "avfilter_graph_create_filter": "it tells no picture size",
    "Error reading": "it is in no known container format, or cut short",
    "getting stream info": "it is damaged or cut short",
}
_LOG_PREFIX = re.compile(r"\[\d\d:\d\d:\d\d\] \S+:\d+: ")  # decord's "[time] source file:line: "


class BrokenVideoError(ValueError):
    """A video that is present but cannot be decoded; the message is one sentence that begins with the file."""


@dataclass(frozen=True)
class VideoInfo:
    """What a container declares about its video stream.

    Attributes:
        num_frames: Frames indexed in the container, > 0; not all of them need be decodable.
        fps: Mean frames per second.
    """

    num_frames: int
    fps: float


def probe(path: str | Path) -> VideoInfo:
    """Frame count and frame rate of a video, without decoding a frame.

    Raises:
        BrokenVideoError: The file has no readable video stream or no frame.
    """
    with _failures_as_broken(path):
        reader = _open(path)
        return VideoInfo(num_frames=len(reader), fps=float(reader.get_avg_fps()))


def read_clip(path: str | Path, sample: FrameSampler, max_seconds: float | None = None) -> Tensor:
    """Decode the frames of a video that a sampler asks for.

    The file's rotation tag is applied by decord. A file cut off exactly between two packets cannot be told from a
    shorter video. A decode can hang or crash in native code, where no exception of ours can
    end it: :class:`~datamodules.guarded_loader.GuardedLoader` bounds it from outside.

    Args:
        path: Video file.
        sample: Chooses frame indices, given the number of frames in the container; an index may repeat.
        max_seconds: Sample as if the video ended here, by its mean frame rate; None is the whole video.

    Returns:
        ``[t, c, h, w]`` uint8 RGB, one frame for each index asked for.

    Raises:
        BrokenVideoError: The file cannot be opened, has no frame, or a chosen frame cannot be decoded. A frame is never
            replaced by its neighbour. Or ``max_seconds`` is given and the file tells no frame rate.
    """
    with _failures_as_broken(path):
        reader = _open(path)
        num_frames = len(reader)
        in_span = num_frames if max_seconds is None else _frames_within(path, reader, max_seconds)
        indices = [int(index) for index in sample(in_span)]
        try:
            frames = reader.get_batch(indices).asnumpy()
        except Exception as error:
            frames_by_index, num_decoded = _read_in_order(path, set(indices))
            if len(frames_by_index) < len(set(indices)):
                raise BrokenVideoError(f"{path}: decoded {num_decoded} of {num_frames} frames") from error
            frames = np.stack([frames_by_index[index] for index in indices])
        if frames.shape[-1] != 3:  # decord takes the padding of very narrow rows for a channel
            height, width, channels = frames.shape[1:]
            raise BrokenVideoError(
                f"{path}: pictures of {width} x {height} pixels are too narrow for the decoder, which took them for "
                f"{channels} channels instead of 3"
            )
    return torch.from_numpy(frames).permute(0, 3, 1, 2)  # [t, h, w, c] -> [t, c, h, w]


def _open(path: str | Path) -> decord.VideoReader:
    # One thread: parallelism comes from the loader's workers, and more would oversubscribe the cores.
    # fault_tol: by default decord hands out the frame read before when one does not decode.
    reader = decord.VideoReader(str(path), num_threads=1, fault_tol=_NO_RECOVERED_FRAME)
    if len(reader) < 1:
        raise BrokenVideoError(f"{path}: holds no video frame")
    return reader


def _frames_within(path: str | Path, reader: decord.VideoReader, max_seconds: float) -> int:
    """Frames in the first ``max_seconds`` of a video, at least one; all of them if it is shorter."""
    num_frames, fps = len(reader), float(reader.get_avg_fps())
    if not 0 < fps < math.inf:  # false for NaN too
        raise BrokenVideoError(f"{path}: tells no frame rate (fps={fps:g}), so its first {max_seconds:g} s are unknown")
    return max(1, int(max_seconds * fps)) if num_frames / fps > max_seconds else num_frames


def _read_in_order(path: str | Path, wanted: set[int]) -> tuple[dict[int, np.ndarray], int]:
    """Wanted frames found without seeking, and how many frames were decoded until then.

    Where decord gives up in a damaged file may vary between two runs: it decodes ahead in a thread of its own.
    """
    frames: dict[int, np.ndarray] = {}
    num_decoded = 0
    with suppress(Exception):  # however it ends, where it ends is the answer
        reader = _open(path)
        while len(frames) < len(wanted):
            frame = reader.next().asnumpy()
            if num_decoded in wanted:
                frames[num_decoded] = frame
            num_decoded += 1
    return frames, num_decoded


@contextmanager
def _failures_as_broken(path: str | Path) -> Iterator[None]:
    # decord raises RuntimeError, DECORDError (no relative of it), and on odd files whatever its bindings meet.
    try:
        yield
    except BrokenVideoError:
        raise
    except Exception as error:
        raise BrokenVideoError(f"{path}: cannot be read as a video ({_detail(error)})") from error


def _detail(error: Exception) -> str:
    for words, meaning in _MEANINGS.items():
        if words in str(error):
            return meaning
    lines = _LOG_PREFIX.sub("", str(error)).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
