from dataclasses import replace

import pytest

from datamodules import DemoBaseToNovel
from datamodules.demo.sets.base2novel import BASE, LIST_FOLDER, NOVEL, SPLITS, BaseToNovelSet, class_name

COUNTS = {"test": 6, "val": 2, "train": 3}
OPTIONS = {"num_frames": 8, "image_size": 96, "batch_size": 2, "num_workers": 0}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("base2novel") / "new"


@pytest.fixture(scope="module", autouse=True)
def small_splits():
    with pytest.MonkeyPatch.context() as patch:
        small = {name: replace(split, num_videos=COUNTS[name]) for name, split in SPLITS.items()}
        patch.setattr(BaseToNovelSet, "splits", small)
        yield


def lists(root):
    return {path.name for path in (root / LIST_FOLDER).glob("*.txt")}


def test_a_test_makes_both_halves_and_reads_them_with_labels_of_their_own(root):
    data = DemoBaseToNovel(str(root), **OPTIONS)
    data.prepare_data()
    assert lists(root) == {"base_val.txt", "novel_val.txt"}
    data.setup("test")
    halves = {"base": BASE, "novel": NOVEL}
    assert data.class_names == {half: [class_name(label) for label in labels] for half, labels in halves.items()}
    base, novel = data.test_dataloader()
    assert data.records["base"].labels == data.records["novel"].labels == [0, 1, 2]
    assert [len(batch.clips) for batch in base] == [2, 1]
    assert next(iter(novel)).clips.shape == (2, 8, 3, 96, 96)


def test_a_list_for_validation_is_made_when_it_is_named(root):
    data = DemoBaseToNovel(str(root), val_annotation="base_dev.txt", **OPTIONS)
    data.prepare_data()
    assert "base_dev.txt" in lists(root)
    data.setup("validate")
    assert len(data.records["base"].videos) == COUNTS["val"]


def test_the_training_split_is_made_when_it_is_needed(root):
    data = DemoBaseToNovel(str(root), **OPTIONS)
    data.prepare_data()
    assert "fs_base_s1_train.txt" not in lists(root)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch.clips.shape == (2, 8, 3, 96, 96)
    assert set(batch.label.tolist()) <= {0, 1, 2}


def test_the_numbers_of_test_videos_that_are_warned_about_are_the_generator_s():
    assert DemoBaseToNovel.published_videos == {"base": 144, "novel": 144}
    assert sum(DemoBaseToNovel.published_videos.values()) == SPLITS["test"].num_videos
