"""Where decoding may begin: read off the packets of a file, and only where the container leaves no doubt.

A frame may be looked up by its time stamp if the container stores the presentation time of each packet (MP4, Matroska)
and the codec gives exactly one frame for each packet. AVI stores no presentation times, MPEG streams are cut anywhere,
and old codecs have packets without a picture: such files are decoded from their first frame on.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

_TIMED_CONTAINERS = {"mov", "matroska"}
"""Demuxers of FFmpeg whose presentation times are stored in the file and not guessed."""

_ONE_FRAME_PER_PACKET = {"h264", "hevc", "vp9", "av1"}
"""Codecs of which one packet of these containers is one displayed frame."""

_H264_SLICES, _H264_IDR, _H264_PARAMETERS = range(1, 6), (5,), (7, 8)
_HEVC_SLICES, _HEVC_IRAP, _HEVC_PARAMETERS = range(32), range(16, 24), (32, 33, 34)


@dataclass(frozen=True)
class PacketFacts:
    """What is known of a packet without decoding it.

    Attributes:
        pts: Presentation time in units of the stream; None if the container tells none.
        is_shown: Whether its frame is displayed; False outside the file's edit list.
        is_key: The container's flag.
        is_entry: Whether decoding may begin here: no later frame in presentation order needs an earlier packet.
        changes_decoder: Whether it brings parameters that later packets need and the file's header lacks.
    """

    pts: int | None
    is_shown: bool
    is_key: bool
    is_entry: bool
    changes_decoder: bool = False


@dataclass(frozen=True)
class FrameIndex:
    """The displayed frames of a file in the order of presentation, and where to begin decoding for each.

    Attributes:
        times: Presentation time of each displayed frame, strictly rising.
        packets: Facts of each packet, in decoding order.
    """

    times: Sequence[int]
    packets: Sequence[PacketFacts]

    def entry_for(self, time: int) -> int:
        """The last packet at which decoding may begin to reach the frame of this presentation time."""
        return self._entries[bisect_right(self._entries, (time, len(self.packets))) - 1][1]

    @cached_property
    def _entries(self) -> list[tuple[int, int]]:
        return [(facts.pts or 0, number) for number, facts in enumerate(self.packets) if facts.is_entry]


def promised_times(container: str, codec: str, packets: Sequence[PacketFacts]) -> Sequence[int] | None:
    """Presentation times of the frames that decoding from the first key frame on must give, strictly rising.

    Frames displayed before that key frame need packets that are not there: a decoder may give them or not.

    Args:
        container: FFmpeg's name of the container format, as ``"mov,mp4,m4a,3gp,3g2,mj2"``.
        codec: FFmpeg's name of the codec, as ``"h264"``.
        packets: Facts of each packet, in decoding order.

    Returns:
        None if the packets do not tell.
    """
    if _TIMED_CONTAINERS.isdisjoint(container.split(",")) or codec not in _ONE_FRAME_PER_PACKET:
        return None
    times = [facts.pts for facts in packets if facts.pts is not None]
    if len(times) < len(packets) or len(set(times)) < len(times):
        return None
    first = next((time for time, facts in zip(times, packets, strict=True) if facts.is_key), None)
    shown = sorted(time for time, facts in zip(times, packets, strict=True) if facts.is_shown)
    return None if first is None else [time for time in shown if time >= first] or None


def frame_index(container: str, codec: str, packets: Sequence[PacketFacts]) -> FrameIndex | None:
    """The index of a file, or None if its packets do not tell which frame is which, or where decoding may begin.

    Args:
        container: As :func:`promised_times` takes it.
        codec: Likewise.
        packets: Likewise.
    """
    times = promised_times(container, codec, packets)
    if times is None or not packets[0].is_entry or any(facts.changes_decoder for facts in packets):
        return None
    entries = [facts.pts or 0 for facts in packets if facts.is_entry]
    # With frames displayed before the first one, the decoder decides what is displayed.
    if entries != sorted(entries) or min(facts.pts or 0 for facts in packets) < entries[0]:
        return None
    return FrameIndex(times, packets)


def is_entry(codec: str, extradata: bytes | None, content: memoryview) -> bool:
    """Whether decoding may begin at a packet that the container flags as a key frame.

    A container's key flag is no proof for H.264 and HEVC, whose decoders conceal a missing reference in silence, so the
    kind of picture is read: IDR, or any random access picture of HEVC. Other decoders report a missing reference.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: The decoder's configuration in the container, which tells how pictures are delimited.
        content: The packet.
    """
    if codec not in ("h264", "hevc"):
        return True
    kind_of, slices, random_access = (
        (_h264_kind, _H264_SLICES, _H264_IDR) if codec == "h264" else (_hevc_kind, _HEVC_SLICES, _HEVC_IRAP)
    )
    kinds = (kind_of(unit[0]) for unit in _units(codec, extradata or b"", content))
    return next((kind in random_access for kind in kinds if kind in slices), False)


def changes_decoder(codec: str, extradata: bytes | None, content: memoryview) -> bool:
    """Whether a packet brings parameter sets that do not stand in the container's configuration word for word.

    Who begins to decode behind such a packet has never seen them, and a decoder then conceals what it misreads.

    Args:
        codec: As :func:`is_entry` takes it.
        extradata: Likewise.
        content: Likewise.
    """
    if codec not in ("h264", "hevc"):
        return False
    kind_of, parameters = (_h264_kind, _H264_PARAMETERS) if codec == "h264" else (_hevc_kind, _HEVC_PARAMETERS)
    configuration = extradata or b""
    units = _units(codec, configuration, content)
    return any(kind_of(unit[0]) in parameters and bytes(unit) not in configuration for unit in units)


def _units(codec: str, extradata: bytes, content: memoryview) -> Iterator[memoryview]:
    """The units of a packet that tells their lengths; none of one that delimits them otherwise."""
    size_field = _size_of_length(codec, extradata)
    place = 0
    while size_field is not None and place + size_field < len(content):
        begin = place + size_field
        place = begin + int.from_bytes(content[place:begin], "big")
        if place > begin:
            yield content[begin:place]


def _size_of_length(codec: str, extradata: bytes) -> int | None:
    """Bytes that tell the length of each unit; None in files that delimit them otherwise."""
    place = 4 if codec == "h264" else 21
    return (extradata[place] & 3) + 1 if len(extradata) > place and extradata[0] == 1 else None


def _h264_kind(first_byte: int) -> int:
    return first_byte & 0x1F


def _hevc_kind(first_byte: int) -> int:
    return first_byte >> 1 & 0x3F
