"""The same pictures in containers as people have them: cut, packed, recorded, or with something beside the video."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.packet import Packet

EMPTY_VOP = b"\x00\x00\x01\xb6\x50\x5f"
"""An MPEG-4 picture that says "no new picture"."""

_PACKED_MARK = b"\x00\x00\x01\xb2DivX503b1393p"
_VOP = b"\x00\x00\x01\xb6"

Change = Callable[[list[Packet]], Iterable[Packet]]


def remuxed(
    source: Path,
    target: Path,
    change: Change = lambda packets: packets,
    extradata: bytes | None = None,
    options: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Copy the packets of a video into another container without decoding them.

    Args:
        source: Video file.
        target: File to write; its suffix decides the container.
        change: Chooses and edits the packets.
        extradata: The decoder's configuration, if it changes.
        options: Of the target's container.

    Returns:
        ``target``.
    """
    with av.open(str(source)) as read, av.open(str(target), "w", options=dict(options)) as written:
        original = read.streams.video[0]
        stream = written.add_stream_from_template(original)
        if extradata is not None:
            stream.codec_context.extradata = extradata
        packets: Iterable[Packet] = change([packet for packet in read.demux(original) if packet.size])
        if original.codec_context.name == "h264" and target.suffix in (".avi", ".ts"):
            packets = _delimited_by_start_codes(packets, BitStreamFilterContext("h264_mp4toannexb", stream))
        for packet in packets:
            packet.stream = stream
            written.mux(packet)
    return target


def cut_from(first: int) -> Change:
    """What a cut by stream copy leaves: packets from the key frame before frame ``first`` on, times from there.

    An MP4 says in its edit list that what comes before the cut is not shown.
    """

    def change(packets: list[Packet]) -> list[Packet]:
        begin = sorted(packet.pts for packet in packets)[first]
        key = max(n for n, packet in enumerate(packets) if packet.is_keyframe and packet.pts <= begin)
        for packet in packets:
            packet.pts, packet.dts = packet.pts - begin, packet.dts - begin
        return packets[key:]

    return change


def shifted_by(ticks: int) -> Change:
    """First time stamp not 0."""

    def change(packets: list[Packet]) -> list[Packet]:
        for packet in packets:
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        return packets

    return change


def recorded_from(first_packet: int) -> Change:
    """A recording that begins in the middle of a group of pictures."""
    return lambda packets: packets[first_packet:]


def packed(packets: list[Packet]) -> list[Packet]:
    """As DivX and XviD pack B-frames into AVI: a P-frame and the B-frame behind it in one packet, then an empty one.

    The video must have one B-frame between any two others at most.
    """
    contents = [bytes(packet) for packet in packets]
    kinds = [content[content.index(_VOP) + 4] >> 6 for content in contents]  # 0 I, 1 P, 2 B
    changed = [contents[0].replace(_VOP, _PACKED_MARK + _VOP, 1)]
    for content, kind in zip(contents[1:], kinds[1:], strict=True):
        if kind == 2:
            changed[-1] += content
            changed.append(EMPTY_VOP)
        else:
            changed.append(content)
    assert len(changed) == len(packets)
    return list(_with_contents(packets, changed))


def with_empty_end(num_empty: int) -> Change:
    """The last packets say "no new picture": the container counts them, no decoder gives frames for them."""
    return lambda packets: _with_contents(packets, [*map(bytes, packets[:-num_empty]), *[EMPTY_VOP] * num_empty])


def _with_contents(packets: Sequence[Packet], contents: Sequence[bytes]) -> Iterator[Packet]:
    for packet, content in zip(packets, contents, strict=True):
        changed = Packet(content)
        changed.pts, changed.dts, changed.duration = packet.dts, packet.dts, packet.duration
        changed.time_base, changed.is_keyframe = packet.time_base, packet.is_keyframe
        yield changed


def _delimited_by_start_codes(packets: Iterable[Packet], context: BitStreamFilterContext) -> Iterator[Packet]:
    for packet in [*packets, None]:
        yield from (changed for changed in context.filter(packet) if changed.size)


def with_cover(source: Path, target: Path) -> Path:
    """An MP4 that begins with a picture, as music files do, followed by the video of ``source``."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        original = read.streams.video[0]
        cover = written.add_stream("mjpeg", rate=1)
        cover.height = cover.width = 128
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = written.add_stream_from_template(original)
        picture = av.VideoFrame.from_ndarray(np.zeros((128, 128, 3), np.uint8), format="rgb24")
        written.mux([*cover.encode(picture), *cover.encode()])
        for packet in read.demux(original):
            if packet.size:
                packet.stream = stream
                written.mux(packet)
    return target
