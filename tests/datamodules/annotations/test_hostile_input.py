"""Odd videos and annotations, of which none may be misread: each is read as it is meant or refused in one sentence."""

import json
import logging
import pickle
from fractions import Fraction

import av
import numpy as np
import pytest

from datamodules.annotations.class_files import read_template_labels
from datamodules.annotations.question_files import read_answer_list, read_questions
from datamodules.annotations.recognition_lists import read_class_list, read_recognition_list
from datamodules.annotations.retrieval_files import read_annotation
from datamodules.annotations.text import pre_text
from datamodules.annotations.video_files import VideoFiles
from datamodules.clips.decoder import BrokenVideoError, read_clip
from datamodules.loading.clip_datasets import ClipDataset
from tests.helpers.tiny_run import write_vocabulary
from tests.helpers.video import encode_video, frame_numbers, numbered_frames
from vidtldr.models.umt import UMTTokenizer


def every_frame(length):
    return range(length)


def encode(path, frames, codec, pix_fmt, pts=None):
    """Any size, any pixel format, and time stamps by hand in 1/1000 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            if pts is not None:
                picture.pts, picture.time_base = pts[number], Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(("codec", "pix_fmt", "suffix"), [("libx264", "yuv444p", "mp4"), ("mpeg4", "yuv420p", "avi")])
@pytest.mark.parametrize(("width", "height"), [(33, 17), (99, 33), (15, 240), (64, 1)])
def test_odd_sizes_are_read_pixel_for_pixel(tmp_path, codec, pix_fmt, suffix, width, height):
    ramp = np.linspace(40, 220, width).astype(np.uint8)  # a wrong row length would shear it
    frames = np.broadcast_to(ramp[None, None, :, None], (3, height, width, 3)).copy()
    clip = read_clip(encode(tmp_path / f"odd.{suffix}", frames, codec, pix_fmt), every_frame)
    assert clip.shape == (3, 3, height, width)
    assert np.abs(clip.permute(0, 2, 3, 1).numpy().astype(int) - frames).mean() < 6
    item = ClipDataset([tmp_path / f"odd.{suffix}"], num_frames=2, image_size=32)[0]
    assert item.clip.shape == (2, 3, 32, 32)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 64), (3, 5)])
def test_narrow_videos_are_read_and_decord_says_that_it_cannot(tmp_path, width, height):
    frames = np.full((2, height, width, 3), 200, np.uint8)
    path = encode(tmp_path / "narrow.avi", frames, "mpeg4", "yuv420p")
    clip = read_clip(path, every_frame)
    assert clip.shape == (2, 3, height, width)
    assert np.abs(clip.numpy().astype(int) - 200).max() < 8
    pytest.importorskip("decord")
    with pytest.raises(BrokenVideoError, match=rf"narrow\.avi: pictures of {width} x {height} pixels are too narrow"):
        read_clip(path, every_frame, decoder="decord")


def test_a_4k_video_is_read(tmp_path):
    path = encode_video(tmp_path / "big.mp4", numbered_frames(2, 2160, 3840), codec="mpeg4", crf=None)
    clip = read_clip(path, every_frame)
    assert clip.shape == (2, 3, 2160, 3840)
    assert frame_numbers(clip) == [0, 1]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_frames_of_variable_rate_are_counted_and_not_timed(tmp_path, suffix):
    waits = np.tile([10, 400, 30, 900, 33], 6)
    pts = np.cumsum(waits).tolist()
    path = encode(tmp_path / f"vfr.{suffix}", numbered_frames(30), "libx264", "yuv420p", pts)
    with av.open(str(path)) as container:
        shown_at = [float(frame.time) for frame in container.decode(video=0)]
    assert len(set(np.diff(shown_at).round(2))) > 3, "the file has a variable rate"
    assert frame_numbers(read_clip(path, every_frame)) == list(range(30))
    assert frame_numbers(read_clip(path, lambda _: [29, 3, 17])) == [29, 3, 17]


@pytest.mark.parametrize(("content", "name"), [("mp4", "a.avi"), ("avi", "a.mp4"), ("mkv", "a.webm"), ("mp4", "a.mpg")])
def test_a_wrong_suffix_does_not_matter(tmp_path, content, name):
    codec, crf = ("mpeg4", None) if content == "avi" else ("libx264", 10)
    whole = encode_video(tmp_path / f"whole.{content}", numbered_frames(9), codec=codec, crf=crf)
    assert frame_numbers(read_clip(whole.rename(tmp_path / name), every_frame)) == list(range(9))


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "libx264"), ("avi", "mpeg4"), ("mkv", "libx264")])
def test_a_stream_without_a_frame_is_broken(tmp_path, suffix, codec):
    with av.open(str(tmp_path / f"none.{suffix}"), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height = stream.width = 32
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    with pytest.raises(BrokenVideoError, match=rf"none\.{suffix}: cannot be read as a video \(it [a-z ,]+\)$"):
        read_clip(tmp_path / f"none.{suffix}", every_frame)


@pytest.mark.parametrize("cut", [100, 1000])
def test_truncated_files_are_broken_whatever_the_container(tmp_path, cut):
    for suffix, codec, crf in (("mp4", "libx264", 10), ("mov", "mpeg4", None)):
        path = encode_video(tmp_path / f"cut.{suffix}", numbered_frames(30), codec=codec, crf=crf)
        path.write_bytes(path.read_bytes()[:-cut])
        with pytest.raises(BrokenVideoError, match=rf"cut\.{suffix}: "):
            read_clip(path, every_frame)


def read_named_questions(path):
    return read_questions(path, video_name="video{}")


LATIN = "caf\xe9".encode("latin-1")


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("a.json", b'[{"video": "a", "caption": "' + LATIN + b'"}]', read_annotation),
        ("a.csv", b"key,vid_key,video_id,sentence\nret0,m,v," + LATIN, read_annotation),
        ("a.txt", b"vid1\t" + LATIN, read_annotation),
        ("a.json", b'[{"video": "a", "question": "q", "answer": "' + LATIN + b'"}]', read_named_questions),
        ("a.json", b'["' + LATIN + b'"]', read_answer_list),
        ("a.txt", LATIN + b".mp4 0\n", read_recognition_list),
        ("a.txt", LATIN + b".mp4 0\n", lambda path: read_class_list(path, ["x"])),
    ],
)
def test_text_that_is_not_utf8_is_refused_with_the_byte(tmp_path, name, content, read):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}.* is not UTF-8 text \(byte \d+\)"):
        read(tmp_path / name)


def test_a_list_of_a_split_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "test_list.txt").write_bytes(LATIN)
    (tmp_path / "a.txt").write_text("a_1_2 A cat.\n")
    with pytest.raises(ValueError, match=r"test_list\.txt is not UTF-8 text \(byte 3\)"):
        read_annotation(tmp_path / "a.txt")


@pytest.mark.parametrize("key", ["video", "caption"])
def test_half_a_character_is_refused_with_its_key(tmp_path, key):
    record = {"video": "a.mp4", "caption": "a cat"} | {key: "\ud83d"}
    with pytest.raises(ValueError, match=rf"record 1 of 1: key '{key}' must be a text"):
        read_annotation(write_json(tmp_path / "a.json", [record]))
    with pytest.raises(ValueError, match=r"labels\.json: class .* is no text"):
        read_template_labels(write_json(tmp_path / "labels.json", {"\ud83d": "0"}))
    with pytest.raises(ValueError, match=r"answers\.json is no list of answers"):
        read_answer_list(write_json(tmp_path / "answers.json", ["\ud83d"]))


def test_half_a_character_in_a_pickle_is_refused(tmp_path):
    (tmp_path / "test_list.txt").write_text("a_1_2\n")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a_1_2": [["\ud83d"]]}))
    with pytest.raises(ValueError, match=r"a\.pkl: expected texts, found a str: '\\ud83d'"):
        read_annotation(tmp_path / "a.pkl")


def test_a_very_long_caption_is_a_query_of_its_first_words(tmp_path):
    caption = "a red shape moves " * 20_000
    records = read_annotation(write_json(tmp_path / "a.json", [{"video": "a.mp4", "caption": caption}]))
    assert records.texts == [caption]
    tokenizer = UMTTokenizer(str(write_vocabulary(tmp_path / "vocab.txt")), max_length=8)
    (ids, its_first_words), mask = tokenizer([pre_text(caption), "a red shape moves a red shape"])
    assert ids.tolist() == its_first_words.tolist()
    assert mask.all()
    (tmp_path / "prose.txt").write_text(caption)
    with pytest.raises(ValueError, match="first line is") as caught:
        read_annotation(tmp_path / "prose.txt")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "content",
    [
        '{"v_1": {"sentences": ["a"]}, "v_1": {"sentences": ["b"]}}',
        '[{"video": "a", "video": "b", "caption": "c"}]',
    ],
)
def test_a_key_that_stands_there_twice_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=r"a\.json is not valid JSON: an object has the key '(v_1|video)' twice"):
        read_annotation(tmp_path / "a.json")


def test_a_class_numbered_twice_is_refused(tmp_path):
    (tmp_path / "labels.json").write_text('{"a": "0", "b": "1", "a": "2"}')
    with pytest.raises(ValueError, match=r"labels\.json is not valid JSON: an object has the key 'a' twice"):
        read_template_labels(tmp_path / "labels.json")


def test_a_video_listed_twice_counts_twice_with_a_warning_but_has_one_class(tmp_path, caplog):
    (tmp_path / "a.txt").write_text("a.mp4 0\nb.mp4 1\na.mp4 0\n")
    with caplog.at_level(logging.WARNING):
        assert read_recognition_list(tmp_path / "a.txt").videos == ["a.mp4", "b.mp4", "a.mp4"]
        assert len(read_class_list(tmp_path / "a.txt", ["x", "y"]).videos) == 3
    assert caplog.text.count("1 lines name a video that an earlier one names") == 2
    (tmp_path / "a.txt").write_text("a.mp4 0\nb.mp4 1\na.mp4 1\n")
    with pytest.raises(ValueError, match=r"a\.txt: video 'a\.mp4' stands there with two classes, 0 and 1"):
        read_recognition_list(tmp_path / "a.txt")


def test_questions_with_the_same_id_stay_apart(tmp_path):
    rows = [{"video": "a", "question": f"q{number}", "answer": "x", "question_id": 7} for number in range(3)]
    (questions,) = read_questions(write_json(tmp_path / "a.json", rows), "").questions
    assert [question.question_id for question in questions] == [0, 1, 2]


@pytest.mark.parametrize("name", ["../../secret.mp4", "/etc/passwd", "x/../../../secret.mp4", "a\0.mp4"])
def test_names_of_an_annotation_do_not_lead_out_of_the_data_root(tmp_path, name):
    (tmp_path / "secret.mp4").write_bytes(bytes(2000))
    (tmp_path / "root" / "videos").mkdir(parents=True)
    path = write_json(tmp_path / "root" / "a.json", [{"video": name, "caption": "a"}])
    (video,) = read_annotation(path).videos
    with pytest.raises(ValueError, match=r"video '.*' (lies outside the data root|is no file name)"):
        VideoFiles(tmp_path / "root" / "videos", tmp_path / "root").find(video)


def test_numbers_beyond_all_reason_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("a.mp4 " + "9" * 5000 + "\n")
    with pytest.raises(ValueError, match=r"a\.txt is in no known format"):
        read_recognition_list(tmp_path / "a.txt")
    (tmp_path / "a.json").write_text('[{"video_id": ' + "9" * 5000 + ', "question": "q", "answer": "a"}]')
    with pytest.raises(ValueError, match=r"a\.json .* not valid JSON"):
        read_questions(tmp_path / "a.json", "video{}")


def test_deep_nesting_is_refused_and_not_printed(tmp_path):
    for depth in (50, 900, 100_000):
        (tmp_path / "a.json").write_text('[{"video": ' + "[" * depth + "]" * depth + ', "caption": "a"}]')
        with pytest.raises(ValueError, match=r"a\.json") as caught:
            read_annotation(tmp_path / "a.json")
        assert len(str(caught.value)) < 300


def test_a_pickle_that_grows_when_it_is_printed_is_refused(tmp_path):
    bomb: object = "x"
    for _ in range(60):
        bomb = [bomb, bomb]  # 2**60 letters once written out
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a_1_2": [[bomb]]}, protocol=2))
    (tmp_path / "test_list.txt").write_text("a_1_2\n")
    with pytest.raises(ValueError, match=r"a\.pkl: expected texts, found a list"):
        read_annotation(tmp_path / "a.pkl")


def test_a_pickle_that_claims_four_billion_objects_is_refused_without_room_for_them(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02]r\xff\xff\xff\xff.")  # puts its list in place 2**32 - 1 of the memo
    with pytest.raises(ValueError, match=r"a\.pkl: expected a dict"):
        read_annotation(tmp_path / "a.pkl")
