"""Exact frames of any file that FFmpeg plays, through PyAV.

Frame ``i`` is the ``i``-th frame that a player shows: presentation order, edit list respected. Two ways lead there. If
the packets tell which frame is which (see :mod:`~datamodules.clips.random_access`), decoding begins at the packet
before a wanted frame from which it may begin, and each frame that comes out is compared with what the index promised.
Else, and where a promise is not kept, the file is decoded from its first packet and frames are counted as they come.

Nothing seeks in the file: packets are read in their order, so no container's own way of seeking can mislead.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import av
import av.error
import av.logging
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from datamodules.clips.broken import BrokenVideoError, failures_as_broken
from datamodules.clips.packets import VideoPackets, file_url, filled_packets, opened, set_up_decoder
from datamodules.clips.pictures import Pictures
from datamodules.clips.spans import FrameSampler, frames_within

av.logging.set_level(None)  # FFmpeg would print its complaint beside our error

VERSION = f"PyAV {av.__version__} (libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))})"

KEPT_FRAME_BYTES = 2**28
"""Decoded frames are kept up to this size until it is known how many there are; beyond, they are decoded again."""

_FAILURES = (av.error.FFmpegError, EOFError, OSError, ValueError, MemoryError)
_DECODES_FROM_GREY = {"mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "flv1", "h263"}
"""Codecs whose decoders begin anywhere and say nothing."""


class _UnexpectedFrameError(Exception):
    """The decoder gave another frame than the index promised, or none."""


def read_frames(path: str | Path, sample: FrameSampler, max_seconds: float | None = None) -> np.ndarray:
    """Decode the frames that a sampler asks for; see :func:`~datamodules.clips.decoder.read_clip`.

    Returns:
        ``[t, h, w, 3]`` uint8 RGB.

    Raises:
        BrokenVideoError: The file cannot be opened, is cut short, has no frame, or a chosen frame cannot be decoded.
    """
    if not Path(path).is_file():  # FFmpeg would take "a%03d.png" for a series of files
        raise BrokenVideoError(f"{path}: cannot be read as a video (there is no such file)")
    with failures_as_broken(path, _meaning, _FAILURES), opened(path) as source:
        if source.index is not None:
            span = _span(source, len(source.index.times), max_seconds)
            # Where that fails, decoding from the beginning tells what the file is worth.
            with suppress(_UnexpectedFrameError, av.error.FFmpegError):
                return _looked_up(source, [int(index) for index in sample(span)])
        return _counted(source, sample, max_seconds)


def _span(source: VideoPackets, num_frames: int, max_seconds: float | None) -> int:
    return num_frames if max_seconds is None else frames_within(source.path, num_frames, source.fps, max_seconds)


def _decoded(context: VideoCodecContext, packets: "Iterable[Packet[VideoStream]]") -> Iterator[VideoFrame]:
    """Frames as they come; a frame with concealed damage is an error."""
    for packet in chain(packets, [None]):
        for frame in context.decode(packet):
            if frame.is_corrupt:
                raise _UnexpectedFrameError
            yield frame


def _looked_up(source: VideoPackets, indices: Sequence[int]) -> np.ndarray:
    """Frames of a file with an index, each decoded from the last packet from which it can be."""
    assert source.index is not None
    times = source.index.times
    pictures = Pictures(source.path, indices)
    frames: Iterator[VideoFrame] = iter(())
    entry, expected = -1, 0  # the packet where decoding began, and the frame that comes next
    for index in pictures.wanted:
        latest_entry = source.index.entry_for(times[index])
        first_from_there = bisect_left(times, source.index.packets[latest_entry].pts or 0)
        if entry < 0 or first_from_there > expected:
            entry, expected = latest_entry, first_from_there
            frames = _shown_from(source, entry)
        for frame in frames:
            if frame.pts != times[expected]:
                raise _UnexpectedFrameError
            expected += 1
            if expected > index:
                pictures.add(index, frame)
                break
        else:
            raise _UnexpectedFrameError
    return pictures.filled


def _shown_from(source: VideoPackets, entry: int) -> Iterator[VideoFrame]:
    """Frames from an entry on, without those that are displayed before it: they need earlier packets."""
    assert source.index is not None
    begin = source.index.packets[entry].pts
    frames = _decoded(source.decoder(), source.packets(entry))
    return (frame for frame in frames if frame.pts is None or begin is None or frame.pts >= begin)


@dataclass
class _Count:
    """What decoding from the beginning gave.

    Attributes:
        num_sure: Frames decoded before the first damage.
        is_whole: Whether there was no damage.
        kept: These frames, if they are few enough.
    """

    num_sure: int = 0
    is_whole: bool = True
    kept: list[VideoFrame] | None = field(default_factory=list)


def _counted(source: VideoPackets, sample: FrameSampler, max_seconds: float | None) -> np.ndarray:
    """Frames of a file decoded from its beginning and counted as they come."""
    count = _count(source)
    total = count.num_sure if count.is_whole else max(count.num_sure + 1, source.num_shown)
    if not count.num_sure and count.is_whole:
        raise BrokenVideoError(f"{source.path}: cannot be read as a video (it holds no video frame)")
    indices = [int(index) for index in sample(_span(source, total, max_seconds))]
    pictures = Pictures(source.path, indices)
    wanted = set(indices)
    last = max(indices)
    if last < count.num_sure:
        for number, frame in enumerate(count.kept or _in_order(source)):
            if number in wanted:
                pictures.add(number, frame)
                wanted.remove(number)
            if number == last:
                break
    if wanted:
        raise BrokenVideoError(f"{source.path}: decoded {count.num_sure} of {max(total, source.num_shown)} frames")
    return pictures.filled


def _count(source: VideoPackets) -> _Count:
    count, size = _Count(), 0
    try:
        for frame in _in_order(source):
            count.num_sure += 1
            if count.kept is not None:
                count.kept.append(frame)
                size += sum(plane.buffer_size for plane in frame.planes)
                if size > KEPT_FRAME_BYTES:
                    count.kept = None
    except (_UnexpectedFrameError, av.error.FFmpegError):
        count.is_whole = False
    return count


def _in_order(source: VideoPackets) -> Iterator[VideoFrame]:
    """All frames in the order in which a new decoder gives them, up to the first damage.

    A recording may begin in the middle of a group of pictures: what stands before the first key frame is not displayed
    by any player. From there on, each failure to decode, and each frame that is not the next one promised, is damage.

    Raises:
        FFmpegError: A packet cannot be decoded.
        _UnexpectedFrameError: A frame is corrupt, missing or not the one promised.
    """
    with av.open(file_url(source.path), metadata_errors="replace") as container:
        stream = container.streams.video[source.video_number]
        context = stream.codec_context
        set_up_decoder(context)
        promised = iter(source.promised or ())
        first_promised = source.promised[0] if source.promised else None
        last: VideoFrame | None = None
        for packet in chain(islice(filled_packets(container, stream), source.first_key, None), [None]):
            for frame in context.decode(packet):
                if frame.is_corrupt or (last is None and _begins_with_nothing(context, frame)):
                    raise _UnexpectedFrameError
                is_promised = first_promised is not None and (frame.pts is None or frame.pts >= first_promised)
                if is_promised and frame.pts != next(promised, None):
                    raise _UnexpectedFrameError
                # Where a file ends with packets that say "no new picture", recent FFmpeg repeats the last picture.
                is_repeated = packet is None and last is not None and _same_memory(frame, last)
                if not (is_repeated and context.codec.canonical_name == "mpeg4"):
                    yield frame
                last = frame
        if next(promised, None) is not None:
            raise _UnexpectedFrameError


def _begins_with_nothing(context: VideoCodecContext, frame: VideoFrame) -> bool:
    """Whether the first frame builds on pictures that are not there, which old decoders take for grey."""
    return context.codec.canonical_name in _DECODES_FROM_GREY and not frame.key_frame


def _same_memory(frame: VideoFrame, other: VideoFrame) -> bool:
    return frame.planes[0].buffer_ptr == other.planes[0].buffer_ptr


def _meaning(error: Exception) -> str:
    if isinstance(error, av.error.InvalidDataError):
        return "it is in no known container format, damaged or cut short"
    if isinstance(error, EOFError):  # av.error.EOFError too
        return "it holds no video frame"
    return getattr(error, "strerror", None) or str(error)
