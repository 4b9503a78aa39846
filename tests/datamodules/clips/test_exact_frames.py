"""Frame ``i`` is the ``i``-th frame displayed, in every container and codec: frames carry their number as a picture."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from datamodules.clips import packets, pyav_frames
from datamodules.clips.decoder import BrokenVideoError, read_clip
from datamodules.clips.sampling import dense_views, interleaved_views, middle_frames, segment_centres
from tests.helpers.h264_headers import without_reorder_hint
from tests.helpers.remuxed import cut_from, packed, recorded_from, remuxed, shifted_by, with_cover
from tests.helpers.video import encode_video, frame_numbers, numbered_frames

NUM_FRAMES = 130
READS = 20
QUIET_X265 = {"x265-params": "log-level=none"}

SAMPLERS: dict[str, Callable[[int], list[int]]] = {
    "UMT": lambda length: middle_frames(length, 12),
    "UCF101": lambda length: union(dense_views(length, 16, 4, 5)),
    "SSv2": lambda length: union(interleaved_views(length, 16, 2)),
    "ViFi-CLIP 16": lambda length: segment_centres(length, 16),
    "ViFi-CLIP 32": lambda length: segment_centres(length, 32),
    "every frame": lambda length: list(range(length)),
    "back and forth": lambda length: [length - 1, length // 3, length // 3, 0],
}

WRONG_WITH_DECORD: dict[str, dict[str, Any]] = {
    "xvid.avi": {"codec": "mpeg4", "crf": None, "b_frames": 2, "gop": 30},
    "mpeg4.avi": {"codec": "mpeg4", "crf": None, "b_frames": 2, "gop": 12},
    "h264.avi": {"gop": 30},
    "hevc.mp4": {"codec": "libx265", "gop": 30, "options": QUIET_X265},
    "b_frames.ts": {"gop": 30},
}
"""Kinds of files of which the former reader gave other frames than asked for, or none."""

OTHER_KINDS: dict[str, dict[str, Any]] = {
    "open_gop.mp4": {"gop": 24, "options": {"x264-params": "open-gop=1"}},
    "intra_refresh.mkv": {"gop": 24, "options": {"x264-params": "intra-refresh=1"}},
    "pyramid.mp4": {"options": {"x264-params": "bframes=8:b-pyramid=normal:ref=8"}},
    "interlaced.mp4": {"options": {"x264-params": "tff=1"}},
    "interlaced.ts": {"options": {"x264-params": "tff=1"}},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "ten_bit.mp4": {"pix_fmt": "yuv420p10le"},
    "h264.flv": {},
    "h264.asf": {},
    "raw.h264": {},
    "hevc.mkv": {"codec": "libx265", "options": QUIET_X265},
    "hevc.ts": {"codec": "libx265", "options": QUIET_X265},
    "raw.hevc": {"codec": "libx265", "options": QUIET_X265},
    "hidden_frames.webm": {"codec": "libvpx", "gop": 60, "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}},
    "vp9.webm": {"codec": "libvpx-vp9", "gop": 60, "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}},
    "no_duration.webm": {"codec": "libvpx-vp9", "container_options": {"live": "1"}},
    "vp9.mp4": {"codec": "libvpx-vp9"},
    "av1.mp4": {"codec": "libsvtav1", "gop": 60},
    "av1.mkv": {"codec": "libsvtav1", "gop": 60},
    "mpeg4.mp4": {"codec": "mpeg4", "crf": None, "b_frames": 2},
    "mpeg4.mov": {"codec": "mpeg4", "crf": None, "b_frames": 2},
    "mpeg4.mkv": {"codec": "mpeg4", "crf": None, "b_frames": 2},
    "raw.m4v": {"codec": "mpeg4", "crf": None, "b_frames": 2},
    "mpeg4.nut": {"codec": "mpeg4", "crf": None, "b_frames": 2},
    "mpeg2.mpg": {"codec": "mpeg2video", "crf": None, "b_frames": 2},
    "mpeg2.ts": {"codec": "mpeg2video", "crf": None, "b_frames": 2},
    "mpeg2.mxf": {"codec": "mpeg2video", "crf": None, "b_frames": 2},
    "mpeg1.mpg": {"codec": "mpeg1video", "crf": None, "b_frames": 2},
    "msmpeg4.avi": {"codec": "msmpeg4", "crf": None},
    "wmv2.wmv": {"codec": "wmv2", "crf": None},
    "flv1.flv": {"codec": "flv", "crf": None},
    "snow.avi": {"codec": "snow", "crf": None, "options": {"strict": "-2"}},
    "motion_jpeg.avi": {"codec": "mjpeg", "crf": None, "pix_fmt": "yuvj420p"},
    "prores.mov": {"codec": "prores_ks", "crf": None, "pix_fmt": "yuv422p10le"},
    "ffv1.mkv": {"codec": "ffv1", "crf": None},
    "huffyuv.avi": {"codec": "huffyuv", "crf": None, "pix_fmt": "yuv422p"},
    "colours.gif": {"codec": "gif", "crf": None, "pix_fmt": "rgb8"},
    "pictures.apng": {"codec": "apng", "crf": None, "pix_fmt": "rgb24"},
}


def union(views: list[list[int]]) -> list[int]:
    """What a reader of several views asks for: each frame once, in rising order."""
    return sorted(set(chain.from_iterable(views)))


def encoded(path: Path, num_frames: int = NUM_FRAMES, **options: Any) -> Path:
    """A numbered video, or a skipped test where its encoder is missing."""
    try:
        av.codec.Codec(options.get("codec", "libx264"), "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of FFmpeg has no encoder {options['codec']}")
    return encode_video(path, numbered_frames(num_frames, 64, 64), **options)


def displayed(path: Path) -> list[int]:
    """Numbers of all frames of a file, decoded from its beginning by FFmpeg without any help of ours."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return frame_numbers(np.stack(frames).transpose(0, 3, 1, 2))


def assert_exact(path: Path, shown: list[int], reads: int = 1) -> None:
    """Each sampler gets the frames it asks for out of those that are shown."""
    for name, sample in SAMPLERS.items():
        for _ in range(reads):
            numbers = frame_numbers(read_clip(path, sample))
            assert numbers == [shown[index] for index in sample(len(shown))], f"{path.name}, {name}"


@pytest.mark.parametrize("name", WRONG_WITH_DECORD)
def test_what_decord_reads_wrong_is_read_right_every_time(tmp_path, name):
    path = encoded(tmp_path / name, **WRONG_WITH_DECORD[name])
    assert_exact(path, list(range(NUM_FRAMES)), READS)


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_every_container_and_codec_gives_the_frames_asked_for(tmp_path, name):
    assert_exact(encoded(tmp_path / name, **OTHER_KINDS[name]), list(range(NUM_FRAMES)))


def indexed(path: Path) -> bool:
    """Whether single frames of a file are looked up, without decoding all before them."""
    with packets.opened(path) as source:
        return source.index is not None


@pytest.mark.parametrize(
    ("name", "is_indexed"),
    [("pyramid.mp4", True), ("hevc.mkv", True), ("vp9.webm", True), ("av1.mp4", True), ("h264.avi", False)],
)
def test_frames_are_looked_up_where_the_container_tells_their_times(tmp_path, name, is_indexed):
    assert indexed(encoded(tmp_path / name, **(OTHER_KINDS | WRONG_WITH_DECORD)[name])) == is_indexed


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("first", [1, 17, 39, 40, 41, 65])
def test_videos_cut_by_stream_copy(tmp_path, suffix, codec, first):
    options = {"x264-params": "scenecut=0"} if codec == "libx264" else {"x265-params": "log-level=none:scenecut=0"}
    whole = encoded(tmp_path / "whole.mp4", codec=codec, gop=30, options=options)
    path = remuxed(whole, tmp_path / f"cut.{suffix}", cut_from(first))
    shown = displayed(path)
    if suffix != "mkv":  # which has no edit list: it shows what comes before the cut too
        assert shown == list(range(first, NUM_FRAMES))
    assert_exact(path, shown)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
@pytest.mark.parametrize("first", [3, 35])
def test_recordings_that_begin_between_key_frames(tmp_path, codec, first):
    whole = encoded(tmp_path / "whole.ts", codec=codec, crf=None, gop=30)
    path = remuxed(whole, tmp_path / "recorded.ts", recorded_from(first))
    shown = displayed(path)
    assert 60 <= len(shown) < NUM_FRAMES
    assert_exact(path, shown)


def test_b_frames_packed_by_divx(tmp_path):
    whole = encoded(tmp_path / "whole.avi", codec="mpeg4", crf=None, b_frames=1, gop=30)
    assert_exact(remuxed(whole, tmp_path / "packed.avi", packed), list(range(NUM_FRAMES)))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "avi", "ts"])
def test_h264_that_does_not_tell_how_far_frames_are_reordered(tmp_path, suffix):
    """Reordered frames come late, after all that FFmpeg looks at when it opens a file."""
    num_frames, first_b_frame = 400, 250
    whole = tmp_path / "whole.mp4"
    with av.open(str(whole), "w") as container:
        options = {"crf": "10", "x264-params": "bframes=4:b-pyramid=normal:b-adapt=0:scenecut=0"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.gop_size = num_frames
        for number, picture in enumerate(numbered_frames(num_frames, 64, 64)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if number < first_b_frame:
                frame.pict_type = av.video.frame.PictureType.P if number else av.video.frame.PictureType.I
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert_exact(without_reorder_hint(whole, tmp_path / f"silent.{suffix}"), list(range(num_frames)))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_first_time_stamp_that_is_not_0(tmp_path, suffix):
    whole = encoded(tmp_path / "whole.mp4")
    assert_exact(remuxed(whole, tmp_path / f"late.{suffix}", shifted_by(100_000)), list(range(NUM_FRAMES)))


@pytest.mark.parametrize("num_frames", [1, 2])
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp4", {}),
        ("avi", {"codec": "mpeg4", "crf": None}),
        ("webm", {"codec": "libvpx-vp9"}),
        ("gif", {"codec": "gif", "crf": None, "pix_fmt": "rgb8"}),
    ],
)
def test_videos_of_one_and_two_frames(tmp_path, num_frames, suffix, options):
    path = encoded(tmp_path / f"short.{suffix}", num_frames, **options)
    assert_exact(path, list(range(num_frames)))


def test_a_cover_picture_is_not_the_video(tmp_path):
    path = with_cover(encoded(tmp_path / "whole.mp4"), tmp_path / "song.mp4")
    assert_exact(path, list(range(NUM_FRAMES)))


def test_pictures_that_change_their_size_are_named(tmp_path):
    first, second = (
        encode_video(tmp_path / f"{size}.ts", numbered_frames(20, size, size)).read_bytes() for size in (32, 64)
    )
    (tmp_path / "both.ts").write_bytes(first + second)
    with pytest.raises(BrokenVideoError, match=r"both\.ts: its pictures have several sizes \(32 x 32 and 64 x 64\)"):
        read_clip(tmp_path / "both.ts", range)


def test_a_list_of_other_files_is_no_video(tmp_path):
    encoded(tmp_path / "part.ts")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:5.2,\npart.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(
        BrokenVideoError, match=r"list\.m3u8: cannot be read as a video \(it is a list of other files\)"
    ):
        read_clip(tmp_path / "list.m3u8", range)


@pytest.mark.parametrize("limit", [(packets, "KEPT_PACKET_BYTES"), (pyav_frames, "KEPT_FRAME_BYTES")])
@pytest.mark.parametrize("name", ["hevc.mp4", "xvid.avi"])
def test_files_too_large_to_keep_are_read_twice_and_give_the_same(tmp_path, monkeypatch, limit, name):
    monkeypatch.setattr(*limit, 10_000)
    assert_exact(encoded(tmp_path / name, **WRONG_WITH_DECORD[name]), list(range(NUM_FRAMES)))


def test_an_index_that_promises_another_frame_is_not_trusted(tmp_path, monkeypatch):
    """The decoder's word counts: the reader counts frames from the beginning."""
    path = encoded(tmp_path / "clip.mp4")
    asked = []

    def mistaken(container, codec, packets):
        index = real(container, codec, packets)
        asked.append(index)
        return type(index)([time + 1 for time in index.times], index.packets)

    real = packets.frame_index
    monkeypatch.setattr(packets, "frame_index", mistaken)
    assert_exact(path, list(range(NUM_FRAMES)))
    assert len(asked) == len(SAMPLERS)
