"""Frames through decord, as the published evaluations saw them: wrong ones from some files included.

decord seeks by time stamps of its own making. On AVI with B-frames, open groups of pictures (HEVC as x265 writes it)
and MPEG transport streams it gives other frames than those asked for, or none, without a word.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

# Read when decord is loaded: 0 forbids handing out an earlier frame where the last ones do not decode.
os.environ["DECORD_REWIND_RETRY_MAX"] = "0"

import decord
import numpy as np

from datamodules.clips.broken import BrokenVideoError, failures_as_broken
from datamodules.clips.spans import FrameSampler, frames_within

decord.logging.set_level(decord.logging.QUIET)  # FFmpeg would print its complaint beside our error

VERSION = f"decord {decord.__version__}"

_NO_RECOVERED_FRAME = 1e-9  # as a share of all frames, since decord takes a plain 0 for "any number"
_MEANINGS = {  # decord's words and what they mean to the owner of a file
    "cannot find video stream": "it holds no video stream",
    "avfilter_graph_create_filter": "it tells no picture size",
    "Error reading": "it is in no known container format, or cut short",
    "getting stream info": "it is damaged or cut short",
}
_LOG_PREFIX = re.compile(r"\[\d\d:\d\d:\d\d\] \S+:\d+: ")  # decord's "[time] source file:line: "


def read_frames(path: str | Path, sample: FrameSampler, max_seconds: float | None = None) -> np.ndarray:
    """Decode the frames that a sampler asks for; see :func:`~datamodules.clips.decoder.read_clip`.

    Returns:
        ``[t, h, w, 3]`` uint8 RGB.

    Raises:
        BrokenVideoError: The file cannot be opened, has no frame, or decord says that it cannot decode a chosen one.
    """
    # decord raises RuntimeError, DECORDError (no relative of it), and on odd files whatever its bindings meet.
    with failures_as_broken(path, _meaning):
        reader = _open(path)
        num_frames = len(reader)
        fps = float(reader.get_avg_fps())
        in_span = num_frames if max_seconds is None else frames_within(path, num_frames, fps, max_seconds)
        indices = [int(index) for index in sample(in_span)]
        try:
            frames: np.ndarray = reader.get_batch(indices).asnumpy()
        except Exception as error:
            frames_by_index, num_decoded = _read_in_order(path, set(indices))
            if len(frames_by_index) < len(set(indices)):
                raise BrokenVideoError(f"{path}: decoded {num_decoded} of {num_frames} frames") from error
            frames = np.stack([frames_by_index[index] for index in indices])
        if frames.shape[-1] != 3:  # decord takes the padding of very narrow rows for a channel
            height, width, channels = frames.shape[1:]
            raise BrokenVideoError(
                f"{path}: pictures of {width} x {height} pixels are too narrow for decord, which took them for "
                f"{channels} channels instead of 3"
            )
    return frames


def _open(path: str | Path) -> decord.VideoReader:
    # One thread: parallelism comes from the loader's workers, and more would oversubscribe the cores.
    # fault_tol: by default decord hands out the frame read before when one does not decode.
    reader = decord.VideoReader(str(path), num_threads=1, fault_tol=_NO_RECOVERED_FRAME)
    if len(reader) < 1:
        raise BrokenVideoError(f"{path}: holds no video frame")
    return reader


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


def _meaning(error: Exception) -> str:
    meanings = (meaning for words, meaning in _MEANINGS.items() if words in str(error))
    return next(meanings, _LOG_PREFIX.sub("", str(error)))
