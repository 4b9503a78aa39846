import shutil

import pytest

from datamodules import UCF101
from datamodules.clips.sampling import dense_views
from tests.helpers.video import encode_video, frame_numbers, numbered_frames

CLASSES = ["ApplyEyeMakeup", "HandstandPushups", "Typing"]
TEST = [
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
    "HandstandPushups/v_HandStandPushups_g01_c01.avi",
    "Typing/v_Typing_g01_c01.avi",
]
LENGTH = 90


@pytest.fixture
def root(tmp_path):
    """The published layout, with the test videos only."""
    video = encode_video(tmp_path / "one.avi", numbered_frames(LENGTH), codec="mpeg4", crf=None)
    for name in TEST:
        (tmp_path / "UCF-101" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, tmp_path / "UCF-101" / name)
    video.unlink()
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("".join(f"{n} {name}\r\n" for n, name in enumerate(CLASSES, start=1)))
    for split in (1, 2, 3):
        (lists / f"testlist0{split}.txt").write_text("\r\n".join(TEST[: 4 - split]) + "\r\n")
        (lists / f"trainlist0{split}.txt").write_text("".join(f"{name} {n}\r\n" for n, name in enumerate(TEST, 1)))
    return tmp_path


def make(root, **options):
    return UCF101(str(root), **({"image_size": 32, "num_workers": 0, "batch_size": 1} | options))


def set_up(root, **options):
    datamodule = make(root, **options)
    datamodule.setup("test")
    return datamodule


def test_the_published_protocol_is_the_default(root):
    datamodule = set_up(root)
    assert (datamodule.num_frames, datamodule.num_views, datamodule.stride) == (16, 15, 4)
    assert datamodule.class_names == CLASSES
    assert datamodule.num_classes == 3
    assert datamodule.records.videos == TEST
    batches = list(datamodule.test_dataloader())
    assert [batch.label.tolist() for batch in batches] == [[0] * 15, [1] * 15, [2] * 15]
    seen = [frame_numbers(clip) for clip in batches[1].clips]
    assert seen == [view for view in dense_views(LENGTH, 16, 4, 5) for _ in range(3)]


@pytest.mark.parametrize("split", [1, 2, 3])
def test_each_split_has_its_own_lists(root, split):
    datamodule = set_up(root, split=split)
    assert datamodule.records.videos == TEST[: 4 - split]
    datamodule.setup("fit")
    assert datamodule.train_dataloader().dataset.labels == [0, 1, 2]


def test_a_split_that_does_not_exist_is_refused(root):
    with pytest.raises(ValueError, match="split=4 must be 1, 2 or 3"):
        make(root, split=4)


def test_a_count_other_than_the_published_one_is_warned_about(root, caplog):
    set_up(root, split=2)
    assert "has 2 videos, the published test 3734" in caplog.text


def test_training_windows_keep_the_stride(root):
    datamodule = make(root, crop_scale=(1.0, 1.0))
    datamodule.setup("fit")
    for batch in datamodule.train_dataloader():
        (numbers,) = [frame_numbers(clip) for clip in batch.clips]
        assert numbers == list(range(numbers[0], numbers[0] + 64, 4))
    assert datamodule.num_classes == 3
    assert datamodule.val_dataloader() == []


def test_validation_takes_a_list_by_its_name(root):
    datamodule = make(root, val_annotation="testlist03.txt")
    datamodule.setup("fit")
    (batch,) = datamodule.val_dataloader()
    assert batch.label.tolist() == [0]
    assert frame_numbers(batch.clips[0]) == dense_views(LENGTH, 16, 4, 1)[0]


@pytest.mark.parametrize(
    ("lists", "separator", "flat"),
    [("test.csv", " ", False), ("val.csv", ",", True), ("ucf101_val_split_1_videos.txt", " ", False)],
)
def test_lists_of_other_projects_need_no_official_ones(root, lists, separator, flat):
    shutil.rmtree(root / "ucfTrainTestlist")
    names = [name.rpartition("/")[2] if flat else name for name in TEST]
    (root / lists).write_text("".join(f"{name}{separator}{label}\n" for label, name in enumerate(names)))
    datamodule = set_up(root)
    assert datamodule.records.labels == [0, 1, 2]
    assert datamodule.records.videos == names
    assert datamodule.class_names is None
    assert datamodule.num_classes == 3


def test_a_list_that_names_no_split_is_not_taken_for_another_split_than_the_first(root):
    shutil.rmtree(root / "ucfTrainTestlist")
    (root / "test.csv").write_text(f"{TEST[0]} 0\n")
    with pytest.raises(FileNotFoundError, match=r"looked for testlist02.txt, ucf101_val_split_2_videos.txt$"):
        set_up(root, split=2)


def test_a_flat_list_of_another_numbering_is_refused_beside_the_class_index(root):
    (root / "flat.txt").write_text("v_Typing_g01_c01.avi 0\nv_HandStandPushups_g01_c01.avi 1\n")
    with pytest.raises(ValueError, match=r"line 1: label 0 of 'v_Typing_g01_c01.avi' contradicts its class Typing"):
        set_up(root, annotation="flat.txt")


@pytest.mark.parametrize("folder", ["UCF101", "videos", ""])
def test_the_usual_video_folders_are_found_flat_or_in_class_folders(root, folder):
    moved = root / folder
    moved.mkdir(exist_ok=True)
    for name in TEST:
        shutil.move(root / "UCF-101" / name, moved)
    shutil.rmtree(root / "UCF-101")
    paths = set_up(root).test_dataloader().dataset.paths
    assert [path.name for path in paths] == [name.rpartition("/")[2] for name in TEST]
