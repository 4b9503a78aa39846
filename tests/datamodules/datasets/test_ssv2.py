import json
import shutil

import pytest

from datamodules import SSv2
from datamodules.clips.sampling import interleaved_views
from tests.helpers.video import encode_video, frame_numbers, numbered_frames

LENGTH = 45
LABELS = {"Approaching something": "0", "Pulling something from left to right": "1"}
RECORDS = [
    {"id": "81234", "label": "pulling a cup", "template": "Pulling [something] from left to right"},
    {"id": "7", "label": "approaching a cup", "template": "Approaching [something]"},
]


def put_videos(root, folder="20bn-something-something-v2", suffix=".webm"):
    video = encode_video(root / "one.mp4", numbered_frames(LENGTH))
    (root / folder).mkdir(parents=True, exist_ok=True)
    for record in RECORDS:
        shutil.copy(video, root / folder / f"{record['id']}{suffix}")
    video.unlink()


def put_annotation(folder, prefix=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{prefix}labels.json").write_text(json.dumps(LABELS))
    (folder / f"{prefix}validation.json").write_text(json.dumps(RECORDS))
    (folder / f"{prefix}train.json").write_text(json.dumps(RECORDS[::-1]))
    (folder / f"{prefix}test.json").write_text(json.dumps([{"id": "81234"}]))


def set_up(root, stage="test", **options):
    datamodule = SSv2(str(root), **({"image_size": 32, "num_workers": 0, "batch_size": 1} | options))
    datamodule.setup(stage)
    return datamodule


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
@pytest.mark.parametrize("folder", ["", "labels", "annotations"])
def test_both_distributions_are_found(tmp_path, prefix, folder):
    put_videos(tmp_path)
    put_annotation(tmp_path / folder, prefix)
    datamodule = set_up(tmp_path)
    assert datamodule.records.videos == ["81234", "7"]
    assert datamodule.records.labels == [1, 0]
    assert datamodule.class_names == list(LABELS)
    datamodule.setup("fit")
    assert datamodule.train_dataloader().dataset.labels == [0, 1]


def test_the_published_protocol_is_the_default(tmp_path, caplog):
    put_videos(tmp_path, suffix=".mp4")
    put_annotation(tmp_path)
    datamodule = set_up(tmp_path)
    assert (datamodule.num_frames, datamodule.num_views, datamodule.stride) == (16, 6, None)
    assert "has 2 videos, the published test 24777" in caplog.text
    first, second = datamodule.test_dataloader()
    assert (first.label.tolist(), second.label.tolist()) == ([1] * 6, [0] * 6)
    seen = [frame_numbers(clip) for clip in first.clips]
    assert seen == [view for view in interleaved_views(LENGTH, 16, 2) for _ in range(3)]


@pytest.mark.parametrize("folder", ["videos", ""])
@pytest.mark.parametrize("name", ["test.csv", "val.csv"])
def test_plain_lists_and_other_folders_are_found(tmp_path, folder, name):
    put_videos(tmp_path, folder)
    (tmp_path / name).write_text("81234.webm 1\n7.mp4 0\n")  # the suffix need not be the one on disk
    datamodule = set_up(tmp_path)
    assert datamodule.records.labels == [1, 0]
    assert [path.name for path in datamodule.test_dataloader().dataset.paths] == ["81234.webm", "7.webm"]


def test_the_unlabelled_test_part_is_refused(tmp_path):
    put_videos(tmp_path)
    put_annotation(tmp_path)
    with pytest.raises(ValueError, match="the test part of SSv2 is published without them"):
        set_up(tmp_path, annotation="test.json")


def test_mirroring_is_refused_since_classes_tell_left_from_right(tmp_path):
    with pytest.raises(ValueError, match="mirror=True must not be set for SSv2"):
        SSv2(str(tmp_path), mirror=True)
