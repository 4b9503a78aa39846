"""The packets of a video file: opened, read once without decoding, and what they tell."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from datamodules.clips.broken import BrokenVideoError
from datamodules.clips.matroska import matroska_end
from datamodules.clips.random_access import (
    FrameIndex,
    PacketFacts,
    changes_decoder,
    frame_index,
    is_entry,
    promised_times,
)

KEPT_PACKET_BYTES = 2**29
"""Packets of a file are kept in memory up to this size; of a larger file they are read a second time."""

_PLAYLISTS = {"hls", "concat", "dash", "imf"}
"""Formats that name other files."""


@dataclass
class VideoPackets:
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
        with av.open(file_url(self.path), metadata_errors="replace") as again:
            stream = again.streams[self.stream.index]
            for number, packet in enumerate(filled_packets(again, stream)):  # type: ignore[arg-type]  # the same video stream
                if number >= start:
                    yield packet

    def decoder(self) -> VideoCodecContext:
        """A decoder that has forgotten all frames, though not the parameters of the stream."""
        context = self.stream.codec_context
        if context.is_open:
            context.flush_buffers()
        else:
            set_up_decoder(context)
        return context


def set_up_decoder(context: VideoCodecContext) -> None:
    """Options of a decoder that has not been used yet."""
    context.thread_count = 1  # parallelism comes from the loader's workers
    if context.codec.canonical_name == "h264":
        # A header need not tell how far frames are reordered. By default FFmpeg then guesses, and drops a frame when
        # the guess was too low; told to be strict, it waits as long as the standard allows.
        context.options = {"strict": "1"}


@contextmanager
def opened(path: str | Path) -> Iterator[VideoPackets]:
    """A video file, its packets read.

    Raises:
        BrokenVideoError: It holds no video, or is cut short.
    """
    with av.open(file_url(path), metadata_errors="replace") as container:
        if container.format.name in _PLAYLISTS:
            raise BrokenVideoError(f"{path}: cannot be read as a video (it is a list of other files)")
        source = VideoPackets(path, container, _video_stream(path, container))
        _read_packets(source)
        yield source


def file_url(path: str | Path) -> str:
    """A path as FFmpeg takes it."""
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


def filled_packets(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """All packets with content: an empty one says "no new picture" and would end the decoder's work."""
    return (packet for packet in container.demux(stream) if packet.size)


def _read_packets(source: VideoPackets) -> None:
    stream, size = source.stream, 0
    facts: list[PacketFacts] = []
    codec, extradata = stream.codec_context.codec.canonical_name, stream.codec_context.extradata
    for packet in filled_packets(source.container, stream):
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
    if source.index is None:
        source.kept = None  # only what is looked up is decoded from kept packets


def _begins_with_key_frame(stream: VideoStream) -> bool:
    return next((entry.is_keyframe for entry in stream.index_entries), False)


def _refuse_cut(source: VideoPackets) -> None:
    """Refuse a file whose own index, or whose own size in its header, names data behind its end."""
    size = source.container.size
    entries = source.stream.index_entries
    missing = sum(entry.pos + entry.size > size for entry in entries) if size > 0 else 0
    if missing:
        total = len(entries)
        raise BrokenVideoError(f"{source.path}: is cut short, it holds {total - missing} of {total} frames")
    if "matroska" in source.container.format.name and (end := matroska_end(Path(source.path))) and end > size:
        raise BrokenVideoError(f"{source.path}: is cut short, it holds {size:,} of {end:,} bytes")
