"""Damaged and spliced files: the right frames or a sentence, and never other frames than those asked for."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from datamodules.clips import pyav_frames
from datamodules.clips.decoder import BrokenVideoError, read_clip
from datamodules.clips.matroska import matroska_end
from tests.datamodules.clips.test_exact_frames import QUIET_X265, SAMPLERS, assert_exact, displayed, encoded
from tests.helpers.remuxed import remuxed, shifted_by
from tests.helpers.video import encode_video, frame_numbers, numbered_frames


def spliced(folder: Path, suffix: str, num_frames: int = 60) -> Path:
    """Two encodings with different parameters, one behind the other; those of the second stand in its first packet."""
    numbers = numbered_frames(2 * num_frames, 64, 64)
    halves = [
        encode_video(folder / f"{name}.mp4", frames, gop=num_frames, options={"x264-params": f"cqm={name}:bframes=2"})
        for name, frames in (("flat", numbers[:num_frames]), ("jvt", numbers[num_frames:]))
    ]
    with av.open(str(halves[1])) as second:
        stream = second.streams.video[0]
        parameters = _parameter_sets(bytes(stream.codec_context.extradata))
        packets = [packet for packet in second.demux(stream) if packet.size]
        behind = []
        for number, packet in enumerate(packets):
            changed = av.Packet((parameters if number == 0 else b"") + bytes(packet))
            changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
            changed.time_base, changed.is_keyframe = packet.time_base, packet.is_keyframe
            behind.append(changed)
        step = min(packet.duration for packet in packets)
        shifted_by(step * num_frames)(behind)
    return remuxed(halves[0], folder / f"spliced.{suffix}", lambda first: [*first, *behind])


def _parameter_sets(configuration: bytes) -> bytes:
    """The parameter sets of an avcC, each behind its length in four bytes; ISO/IEC 14496-15, 5.3.3."""
    place, sets = 5, b""
    for mask in (0x1F, 0xFF):  # sequence sets, picture sets
        count = configuration[place] & mask
        place += 1
        for _ in range(count):
            length = int.from_bytes(configuration[place : place + 2], "big")
            sets += length.to_bytes(4, "big") + configuration[place + 2 : place + 2 + length]
            place += 2 + length
    return sets


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv"])
def test_parameters_that_change_within_a_file(tmp_path, suffix):
    path = spliced(tmp_path, suffix)
    assert displayed(path) == list(range(120))
    for index in (0, 59, 60, 75, 119):
        assert frame_numbers(read_clip(path, lambda _, index=index: [index])) == [index]
    assert_exact(path, list(range(120)))


@pytest.mark.parametrize("suffix", ["mp4", "flv"])
def test_a_second_decode_begins_with_a_new_decoder(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(pyav_frames, "KEPT_FRAME_BYTES", 10_000)
    assert_exact(spliced(tmp_path, suffix), list(range(120)))


KINDS = {
    "h264.mp4": {},
    "hevc.mp4": {"codec": "libx265", "options": QUIET_X265},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "av1.mp4": {"codec": "libsvtav1"},
    "motion_jpeg.mov": {"codec": "mjpeg", "crf": None, "pix_fmt": "yuvj420p"},
    "prores.mov": {"codec": "prores_ks", "crf": None, "pix_fmt": "yuv422p10le"},
}


def with_packet_changed(path: Path, number: int, change: Callable[[bytes], bytes]) -> Path:
    """Overwrite the content of a packet in the file itself."""
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        place, content = packet.pos, bytes(packet)
    data = path.read_bytes()
    place = data.index(content, place)
    path.write_bytes(data[:place] + change(content) + data[place + len(content) :])
    return path


@pytest.mark.parametrize("name", KINDS)
def test_a_first_packet_without_content_is_damage_and_no_late_beginning(tmp_path, name):
    path = with_packet_changed(encoded(tmp_path / name, 60, **KINDS[name]), 0, lambda content: bytes(len(content)))
    for sample in SAMPLERS.values():
        with pytest.raises(BrokenVideoError, match=r"decoded 0 of 60 frames|cut short|damaged"):
            read_clip(path, sample)


@pytest.mark.parametrize("number", [7, 30])
@pytest.mark.parametrize("kind", ["zeros", "noise"])
@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mp4", "av1.mp4"])
def test_frames_behind_damage_do_not_move_up(tmp_path, name, kind, number):
    noise = np.random.default_rng(0).bytes
    change = (lambda content: bytes(len(content))) if kind == "zeros" else (lambda content: noise(len(content)))
    path = with_packet_changed(encoded(tmp_path / name, 60, **KINDS[name]), number, change)
    asked = []
    with suppress(BrokenVideoError):
        asked.append(len(read_clip(path, range)))
    assert asked in ([], [60])


@pytest.mark.parametrize("suffix", ["mkv", "webm"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_cut_matroska_file_is_no_shorter_video(tmp_path, suffix, share):
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    path = encoded(tmp_path / f"cut.{suffix}", codec=codec)
    content = path.read_bytes()
    assert matroska_end(path) == len(content)
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BrokenVideoError, match=rf"cut\.{suffix}: is cut short, it holds [\d,]+ of [\d,]+ bytes"):
        read_clip(path, range)


def test_a_recorded_matroska_file_tells_no_size(tmp_path):
    assert matroska_end(encoded(tmp_path / "live.webm", codec="libvpx-vp9", container_options={"live": "1"})) is None
    (tmp_path / "short.webm").write_bytes(b"\x1a\x45\xdf\xa3")
    assert matroska_end(tmp_path / "short.webm") is None


def test_a_pattern_of_names_is_no_video(tmp_path):
    for number in range(3):
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24").to_image()
        picture.save(tmp_path / f"seq{number:03}.png")
    with pytest.raises(BrokenVideoError, match=r"seq%03d\.png: cannot be read as a video \(there is no such file\)"):
        read_clip(tmp_path / "seq%03d.png", range)
