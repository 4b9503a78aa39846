import logging

import pytest

from datamodules import DiDeMo
from datamodules.clips.sampling import middle_frames
from tests.helpers.datasets import file_names, put_json, put_videos, queries, set_up
from tests.helpers.video import frame_numbers


def described(*pairs):
    """Records of the original annotation."""
    fields = {"times": [[0, 0], [0, 1]], "dl_link": "", "num_segments": 6}
    return [
        {"annotation_id": number, "video": video, "description": text} | fields
        for number, (video, text) in enumerate(pairs)
    ]


def put_one(root, name):
    """An annotation of UMT that asks for one video."""
    return put_json(root / "didemo_ret_test.json", [{"video": name, "caption": ["a dog", "it sits"]}])


def test_umt_captions_are_one_paragraph_and_records_stay_as_they_are(tmp_path, caplog):
    put_videos(tmp_path / "videos", "1@N_a.mp4", "1@N_b.mp4")
    records = [{"video": f"1@N_{name}.mp4", "caption": ["A dog enters", "The dog sits."]} for name in "aba"]
    put_json(tmp_path / "didemo_ret_test.json", records)
    datamodule = set_up(DiDeMo, tmp_path)
    assert queries(datamodule) == (["a dog enters the dog sits"] * 3, [[0], [1], [2]])
    assert "has 3 videos, the published test 1003 or 1004 or 1036" in caplog.text


def test_original_descriptions_are_gathered_in_the_order_of_the_file(tmp_path, caplog):
    put_videos(tmp_path / "videos", "a.mov", "b.avi")
    records = described(("b.avi", "Second."), ("a.mov", "a dog"), ("b.avi", "first"), ("a.mov", "it sits"))
    put_json(tmp_path / "test_data.json", records)
    with caplog.at_level(logging.INFO):
        datamodule = set_up(DiDeMo, tmp_path)
    assert file_names(datamodule) == ["videos/b.avi", "videos/a.mov"]
    assert queries(datamodule) == (["second first", "a dog it sits"], [[0], [1]])
    assert "read as DiDeMo JSON, 2 videos, 2 texts" in caplog.text


def test_names_under_two_suffixes_are_one_upload(tmp_path):
    put_videos(tmp_path / "videos", "a.mov", "a.v2.mov")
    records = described(("a.mov", "one"), ("a.v2.mov", "other"), ("a.mp4", "two"), ("a.MOV", "three"))
    put_json(tmp_path / "test_data.json", records)
    datamodule = set_up(DiDeMo, tmp_path)
    assert file_names(datamodule) == ["videos/a.mov", "videos/a.v2.mov"]
    assert queries(datamodule)[0] == ["one two three", "other"]


@pytest.mark.parametrize(
    ("asked", "on_disk"),
    [
        ("a.mov", "a.mov.mp4"),
        ("a.mov", "a.mp4"),
        ("a.mp4", "a.mov"),
        ("a.mp4", "a.mov.mp4"),
        ("a.mov.mp4", "a.mov"),
        ("a.mov.mp4", "a.mp4"),
        ("a.mov.mp4", "a.3gp.mp4"),
        ("a.", "a."),
        ("a.", "a..mp4"),
        ("a.", "a.mp4"),
        ("a.mp4", "a."),
        ("a.mp4", "a..mp4"),
        ("a..mp4", "a."),
        ("a.MP4", "a.mov.mp4"),
        ("-a_1.mov", "-a_1.mov.mp4"),
    ],
)
@pytest.mark.parametrize("folder", ["", "test/"])
def test_original_doubled_and_lost_suffixes_are_found(tmp_path, asked, on_disk, folder):
    put_videos(tmp_path / "videos", folder + on_disk, "unrelated.mp4")
    put_one(tmp_path, asked)
    datamodule = set_up(DiDeMo, tmp_path)
    assert file_names(datamodule) == [f"videos/{folder}{on_disk}"]
    assert len(datamodule.test_dataloader()[0].dataset[0].clip) == 4  # decoded, whatever its name


@pytest.mark.parametrize(
    ("asked", "on_disk", "taken"),
    [
        ("a.wmv", ["a.mov", "a.avi"], "a.avi"),
        ("a.mov", ["a.mov.mp4", "a.mp4.mp4"], "a.mov.mp4"),
        ("a.avi", ["a.mov.mp4", "a.mp4.mp4"], "a.mp4.mp4"),
        ("a.mov", ["a.mov", "a.mp4"], "a.mov"),
    ],
)
def test_of_several_copies_of_an_upload_the_first_is_taken_and_logged(tmp_path, caplog, asked, on_disk, taken):
    put_videos(tmp_path / "videos", *on_disk)
    put_one(tmp_path, asked)
    with caplog.at_level(logging.INFO):
        assert file_names(set_up(DiDeMo, tmp_path)) == [f"videos/{taken}"]
    assert (f"took {taken}, the first of" in caplog.text) == (asked not in on_disk)


def test_different_uploads_are_still_not_chosen_between(tmp_path):
    put_videos(tmp_path / "videos", "Ab.mp4", "aB.mp4")
    put_one(tmp_path, "AB.mp4")
    with pytest.raises(ValueError, match="could be any of 2 files"):
        set_up(DiDeMo, tmp_path)


@pytest.mark.parametrize(("num_frames", "in_span"), [(150, 150), (151, 150), (200, 150), (20, 20)])
def test_no_frame_after_thirty_seconds_is_looked_at(tmp_path, num_frames, in_span):
    put_videos(tmp_path / "videos", "a.mp4", num_frames=num_frames, fps=5)
    put_one(tmp_path, "a.mp4")
    (batch,) = set_up(DiDeMo, tmp_path, num_frames=12).test_dataloader()[0]
    assert frame_numbers(batch.clips[0]) == middle_frames(in_span, 12)


@pytest.mark.parametrize("cache", [False, True])
def test_training_stays_in_the_same_span(tmp_path, cache):
    put_videos(tmp_path / "videos", "a.mp4", num_frames=400, fps=5)
    put_one(tmp_path, "a.mp4")
    options = {"train_annotation": "didemo_ret_test.json", "batch_size": 1, "crop_scale": (1.0, 1.0)}
    datamodule = set_up(DiDeMo, tmp_path, "fit", num_frames=50, cache_training_clips=cache, **options)
    item = datamodule.train_dataloader().dataset[0]
    assert 140 < max(frame_numbers(item.clip)) < 150
    assert item.text == "a dog it sits"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"annotation_id": 1, "video": "b.mov"}, "key 'description' is missing"),
        ({"annotation_id": 1, "description": "a dog"}, "key 'video' is missing"),
        ({"annotation_id": 1, "description": 7, "video": "b.mov"}, "key 'description' must be"),
        ("b.mov", "is a str, expected an object with 'video' and 'description'"),
    ],
)
def test_a_wrong_record_is_named(tmp_path, record, message):
    put_json(tmp_path / "test_data.json", [*described(("a.mov", "a dog")), record])
    with pytest.raises(ValueError, match=r"test_data\.json, record 2 of 2: ") as caught:
        set_up(DiDeMo, tmp_path)
    assert message in str(caught.value)


def test_the_facts_of_the_dataset():
    assert (DiDeMo.max_text_tokens, DiDeMo.max_seconds) == (64, 30)
