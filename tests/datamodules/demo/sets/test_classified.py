import json
import re

import av
import numpy as np
import pytest

from datamodules.demo.pictures.photos import crop_bounds
from datamodules.demo.sets.base2novel import BASE_TO_NOVEL, BaseToNovelSet
from datamodules.demo.sets.production import ensure, is_complete
from datamodules.demo.sets.recognition import RECOGNITION, RecognitionSet

SETS = [RECOGNITION, BASE_TO_NOVEL]
COUNTS = {"test": 3, "val": 1, "train": 2}

each_set = pytest.mark.parametrize("videos", SETS, ids=lambda videos: videos.manifest)


def files_of(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def times_of(root):
    return {path.name: path.stat().st_mtime_ns for path in root.rglob("*.mp4")}


@each_set
def test_two_runs_write_the_same_files_and_nothing_temporary(videos, tmp_path):
    ensure(videos, tmp_path / "a", tuple(COUNTS), num_videos=COUNTS)
    ensure(videos, tmp_path / "b", tuple(COUNTS), num_videos=COUNTS)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert not list(tmp_path.rglob("*.part"))
    assert len(times_of(tmp_path / "a")) == sum(COUNTS.values())


@each_set
def test_videos_are_h264_of_the_scene_s_length(videos, tmp_path):
    ensure(videos, tmp_path, ("val",), num_videos=COUNTS)
    with av.open(str(tmp_path / videos.video("val", 0))) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height, stream.average_rate) == (128, 96, 25)
    pixels = np.stack([frame.to_ndarray(format="rgb24") for frame in frames]).astype(int)
    assert len(frames) == videos.scene("val", 0).num_frames
    assert np.abs(pixels - videos.frames("val", 0)).mean() < 8


@each_set
def test_a_complete_set_is_not_touched_again(videos, tmp_path, capsys):
    ensure(videos, tmp_path, ("test",), num_videos=COUNTS)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()
    ensure(videos, tmp_path, ("test",), num_videos=COUNTS)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert capsys.readouterr().err == ""


@each_set
def test_an_interrupted_run_has_no_list_and_is_continued(videos, tmp_path, monkeypatch):
    def interrupted(self, split, index):
        if index == 2:
            raise KeyboardInterrupt
        return real(self, split, index)

    real = type(videos).frames
    monkeypatch.setattr(type(videos), "frames", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure(videos, tmp_path, ("test",), num_videos=COUNTS)
    lists = videos.lists("test", 3)
    assert lists
    assert not any((tmp_path / name).exists() for name in lists)
    assert not is_complete(videos, tmp_path, "test", 3)
    before = times_of(tmp_path)
    assert len(before) == 2

    monkeypatch.undo()
    ensure(videos, tmp_path, ("test",), num_videos=COUNTS)
    assert before.items() <= times_of(tmp_path).items()
    assert len(times_of(tmp_path)) == 3
    assert is_complete(videos, tmp_path, "test", 3)


@each_set
def test_a_lost_table_is_written_again_without_any_video(videos, tmp_path):
    ensure(videos, tmp_path, ("test",), num_videos=COUNTS)
    before, times = files_of(tmp_path), times_of(tmp_path)
    for name in videos.tables():
        (tmp_path / name).unlink()
    ensure(videos, tmp_path, ("test",), num_videos=COUNTS)
    assert files_of(tmp_path) == before
    assert times_of(tmp_path) == times


@pytest.mark.parametrize("kind", [RecognitionSet, BaseToNovelSet])
def test_another_version_makes_the_videos_of_its_split_again(kind, tmp_path, monkeypatch):
    videos = kind()
    ensure(videos, tmp_path, ("test", "val"), num_videos=COUNTS)
    before = times_of(tmp_path)
    monkeypatch.setattr(kind, "generator_version", 99)
    ensure(videos, tmp_path, ("test",), num_videos=COUNTS)
    after = times_of(tmp_path)
    of_val = videos.file_name("val", 0)
    assert {name for name in before if after[name] == before[name]} == {of_val}
    manifest = json.loads((tmp_path / videos.manifest).read_text())
    assert (manifest["test"]["generator_version"], manifest["val"]["generator_version"]) == (99, 1)


def test_all_sets_can_share_a_root(tmp_path):
    for videos in SETS:
        ensure(videos, tmp_path, ("val",), num_videos=COUNTS)
    assert all(is_complete(videos, tmp_path, "val", 1) for videos in SETS)


@each_set
def test_names_are_those_of_ucf101_and_no_group_is_in_two_splits(videos):
    groups, paths = {}, set()
    for split, facts in videos.splits.items():
        for index in range(facts.num_videos):
            path = videos.video(split, index)
            name = re.fullmatch(r"(.*/)?v_([A-Za-z]+)_g(\d\d)_c(\d\d)\.mp4", path)
            assert name[2] == videos.label(split, index).name
            groups.setdefault(split, set()).add(name[3])
            paths.add(path)
    assert len(paths) == sum(facts.num_videos for facts in videos.splits.values())
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["val"]
    assert not groups["test"] & groups["val"]


@each_set
def test_the_largest_split_still_has_names_of_its_own(videos, tmp_path):
    for split, facts in videos.splits.items():
        last = videos.video(split, facts.most_videos - 1)
        for other in videos.splits:
            path = tmp_path / last
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            assert (path in tmp_path.glob(videos.pattern(other))) == (other == split)
        with pytest.raises(ValueError, match=rf"split '{split}' has at most {facts.most_videos} videos, not"):
            ensure(videos, tmp_path, (split,), num_videos={split: facts.most_videos + 1})


@each_set
def test_every_class_has_the_same_number_of_videos_even_in_a_shorter_split(videos):
    for split, facts in videos.splits.items():
        classes = videos.classes(split)
        assert {videos.label(split, index) for index in range(len(classes))} == set(classes)
        assert facts.num_videos % len(classes) == 0


@each_set
def test_backgrounds_of_val_and_test_are_held_out_from_training(videos):
    for split in videos.splits:
        for index in range(60):
            backdrop = videos.scene(split, index).backdrop
            left, _, right, _ = crop_bounds(backdrop.photo, unseen=split != "train")
            assert left <= backdrop.box[0] < backdrop.box[2] <= right + 1e-9


@each_set
def test_splits_and_videos_show_different_scenes(videos):
    scenes = {str(videos.scene(split, index).backdrop) for split in videos.splits for index in range(60)}
    assert len(scenes) == 180
