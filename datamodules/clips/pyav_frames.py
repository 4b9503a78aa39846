"""Exact frames of any file that FFmpeg plays, through PyAV.

Frame ``i`` is the ``i``-th frame that a player shows: presentation order, edit list respected. Two ways lead there. If
the packets tell which frame is which (see :mod:`~datamodules.clips.random_access`), decoding begins at the packet
before a wanted frame from which it may begin, and each frame that comes out is compared with what the index promised.
Else, and where a promise is not kept, the file is decoded from its first packet and frames are counted as they come.

Nothing seeks in the file: packets are read in their order, so no container's own way of seeking can mislead.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import av
import av.error
import av.logging
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from datamodules.clips.broken import BrokenVideoError
from datamodules.clips.matroska import matroska_end
from datamodules.clips.orientation import turn_upright
from datamodules.clips.random_access import (
    FrameIndex,
    PacketFacts,
    changes_decoder,
    frame_index,
    is_entry,
    promised_times,
)
from datamodules.clips.spans import FrameSampler, frames_within

av.logging.set_level(None)  # FFmpeg would print its complaint beside our error

VERSION = f"PyAV {av.__version__} (libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))})"

KEPT_PACKET_BYTES = 2**29
"""Packets of a file are kept in memory up to this size; of a larger file they are read a second time."""

KEPT_FRAME_BYTES = 2**28
"""Decoded frames are kept up to this size until it is known how many there are; beyond, they are decoded again."""

_DECODES_FROM_GREY = {"mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "flv1", "h263"}
"""Codecs whose decoders begin anywhere and say nothing."""

_PLAYLISTS = {"hls", "concat", "dash", "imf"}
"""Formats that name other files."""


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
    with _errors_as_broken(path), _open(path) as source:
        if source.index is not None:
            span = _span(source, len(source.index.times), max_seconds)
            try:
                return _looked_up(source, [int(index) for index in sample(span)])
            except (_UnexpectedFrameError, av.error.FFmpegError):
                pass  # decoding from the beginning tells what the file is worth
        return _counted(source, sample, max_seconds)


def _span(source: "_Source", num_frames: int, max_seconds: float | None) -> int:
    return num_frames if max_seconds is None else frames_within(source.path, num_frames, source.fps, max_seconds)


# --- packets


@dataclass
class _Source:
    """The packets of one video stream.

    Attributes:
        kept: All packets, if they are few enough.
        num_shown: Packets inside the edit list.
        first_key: The first packet that is a key frame; 0 where none is.
        index: Which frame is which and where decoding may begin, if the packets tell.
        promised: Presentation times that the frames must have, if the packets tell.
    """

    path: str | Path
    container: InputContainer
    stream: VideoStream
    kept: "list[Packet[VideoStream]] | None" = field(default_factory=list)
    num_shown: int = 0
    first_key: int = 0
    index: FrameIndex | None = None
    promised: Sequence[int] | None = None

    @property
    def video_number(self) -> int:
        """Which of the video streams it is."""
        return [stream.index for stream in self.container.streams.video].index(self.stream.index)

    @property
    def fps(self) -> float:
        """Mean frames per second; 0 if the file tells none."""
        return float(self.stream.average_rate or 0)

    def packets(self, start: int = 0) -> "Iterator[Packet[VideoStream]]":
        """The packets from this one on, in decoding order."""
        if self.kept is not None:
            yield from self.kept[start:]
            return
        with av.open(_url(self.path), metadata_errors="replace") as again:
            stream = again.streams[self.stream.index]
            for number, packet in enumerate(_filled(again, stream)):  # type: ignore[arg-type]  # the same video stream
                if number >= start:
                    yield packet

    def decoder(self) -> VideoCodecContext:
        """A decoder that has forgotten all frames, though not the parameters of the stream."""
        context = self.stream.codec_context
        if context.is_open:
            context.flush_buffers()
        else:
            _set_up(context)
        return context


def _set_up(context: VideoCodecContext) -> None:
    context.thread_count = 1  # parallelism comes from the loader's workers
    if context.codec.canonical_name == "h264":
        # A header need not tell how far frames are reordered. By default FFmpeg then guesses, and drops a frame when
        # the guess was too low; told to be strict, it waits as long as the standard allows.
        context.options = {"strict": "1"}


@contextmanager
def _open(path: str | Path) -> Iterator[_Source]:
    with av.open(_url(path), metadata_errors="replace") as container:
        if container.format.name in _PLAYLISTS:
            raise BrokenVideoError(f"{path}: cannot be read as a video (it is a list of other files)")
        source = _Source(path, container, _video_stream(path, container))
        _read_packets(source)
        yield source


def _url(path: str | Path) -> str:
    return f"file:{path}"  # or FFmpeg would take "a:b.mp4" for a protocol


def _video_stream(path: str | Path, container: InputContainer) -> VideoStream:
    covers = av.stream.Disposition.attached_pic  # the cover of a song
    streams = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not streams:
        raise BrokenVideoError(f"{path}: cannot be read as a video (it holds no video stream)")
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    if stream.codec_context is None:
        raise BrokenVideoError(f"{path}: cannot be read as a video (there is no decoder for its codec)")
    return stream


def _filled(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """All packets with content: an empty one says "no new picture" and would end the decoder's work."""
    return (packet for packet in container.demux(stream) if packet.size)


def _read_packets(source: _Source) -> None:
    stream, size = source.stream, 0
    facts: list[PacketFacts] = []
    codec, extradata = stream.codec_context.codec.canonical_name, stream.codec_context.extradata
    for packet in _filled(source.container, stream):
        is_shown = not packet.is_discard
        content = memoryview(packet)
        entry = packet.is_keyframe and is_entry(codec, extradata, content)
        changes = packet.has_sidedata("new_extradata") or changes_decoder(codec, extradata, content)
        # A first packet that is a key frame by the container's index, and none by its content, is damaged.
        is_key = packet.is_keyframe or (not facts and _begins_with_key_frame(stream))
        facts.append(PacketFacts(packet.pts, is_shown, is_key, entry, changes))
        source.num_shown += is_shown
        size += packet.size
        if source.kept is not None:
            source.kept.append(packet)
            if size > KEPT_PACKET_BYTES:
                source.kept = None
    _refuse_cut(source)
    source.first_key = next((number for number, each in enumerate(facts) if each.is_key), 0)
    container = source.container.format.name
    source.index, source.promised = frame_index(container, codec, facts), promised_times(container, codec, facts)


def _begins_with_key_frame(stream: VideoStream) -> bool:
    return next((entry.is_keyframe for entry in stream.index_entries), False)


def _refuse_cut(source: _Source) -> None:
    """Refuse a file whose own index, or whose own size in its header, names data behind its end."""
    size = source.container.size
    entries = source.stream.index_entries
    missing = sum(entry.pos + entry.size > size for entry in entries) if size > 0 else 0
    if missing:
        total = len(entries)
        raise BrokenVideoError(f"{source.path}: is cut short, it holds {total - missing} of {total} frames")
    if "matroska" in source.container.format.name and (end := matroska_end(Path(source.path))) and end > size:
        raise BrokenVideoError(f"{source.path}: is cut short, it holds {size:,} of {end:,} bytes")


# --- frames


def _decoded(context: VideoCodecContext, packets: "Iterable[Packet[VideoStream]]") -> Iterator[VideoFrame]:
    """Frames as they come; a frame with concealed damage is an error."""
    for packet in chain(packets, [None]):
        for frame in context.decode(packet):
            if frame.is_corrupt:
                raise _UnexpectedFrameError
            yield frame


def _looked_up(source: _Source, indices: Sequence[int]) -> np.ndarray:
    """Frames of a file with an index, each decoded from the last packet from which it can be."""
    assert source.index is not None
    times = source.index.times
    pictures = _Pictures(source.path, indices)
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


def _shown_from(source: _Source, entry: int) -> Iterator[VideoFrame]:
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


def _counted(source: _Source, sample: FrameSampler, max_seconds: float | None) -> np.ndarray:
    """Frames of a file decoded from its beginning and counted as they come."""
    count = _count(source)
    total = count.num_sure if count.is_whole else max(count.num_sure + 1, source.num_shown)
    if not count.num_sure and count.is_whole:
        raise BrokenVideoError(f"{source.path}: cannot be read as a video (it holds no video frame)")
    indices = [int(index) for index in sample(_span(source, total, max_seconds))]
    pictures = _Pictures(source.path, indices)
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


def _count(source: _Source) -> _Count:
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


def _in_order(source: _Source) -> Iterator[VideoFrame]:
    """All frames in the order in which a new decoder gives them, up to the first damage.

    A recording may begin in the middle of a group of pictures: what stands before the first key frame is not displayed
    by any player. From there on, each failure to decode, and each frame that is not the next one promised, is damage.

    Raises:
        FFmpegError: A packet cannot be decoded.
        _UnexpectedFrameError: A frame is corrupt, missing or not the one promised.
    """
    with av.open(_url(source.path), metadata_errors="replace") as container:
        stream = container.streams.video[source.video_number]
        context = stream.codec_context
        _set_up(context)
        promised = iter(source.promised or ())
        first_promised = source.promised[0] if source.promised else None
        last: VideoFrame | None = None
        for packet in chain(islice(_filled(container, stream), source.first_key, None), [None]):
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


# --- pictures


class _Pictures:
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


# --- errors


@contextmanager
def _errors_as_broken(path: str | Path) -> Iterator[None]:
    try:
        yield
    except BrokenVideoError:
        raise
    except av.error.InvalidDataError as error:
        raise BrokenVideoError(
            f"{path}: cannot be read as a video (it is in no known container format, damaged or cut short)"
        ) from error
    except EOFError as error:  # av.error.EOFError too
        raise BrokenVideoError(f"{path}: cannot be read as a video (it holds no video frame)") from error
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BrokenVideoError(f"{path}: cannot be read as a video ({detail.strip().rstrip('.')})") from error
