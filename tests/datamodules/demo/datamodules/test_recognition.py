from dataclasses import replace

import lightning as L
import pytest
import torch

from datamodules import DemoRecognition
from datamodules.demo.sets.recognition import CLASSES, LIST_FOLDER, SPLITS, RecognitionSet

COUNTS = {"test": 4, "val": 2, "train": 3}
OPTIONS = {"num_frames": 8, "image_size": 96, "num_segments": 2, "batch_size": 2, "num_workers": 0}


@pytest.fixture(scope="module", autouse=True)
def small_splits():
    with pytest.MonkeyPatch.context() as patch:
        small = {name: replace(split, num_videos=COUNTS[name]) for name, split in SPLITS.items()}
        patch.setattr(RecognitionSet, "splits", small)
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("recognition") / "new"


def lists(root):
    return {path.name for path in (root / LIST_FOLDER).iterdir()}


def test_a_test_makes_the_test_split_alone_and_reads_it_as_ucf101(root):
    data = DemoRecognition(str(root), **OPTIONS)
    data.prepare_data()
    assert lists(root) == {"classInd.txt", "testlist01.txt"}
    data.setup("test")
    assert data.num_classes == 24
    assert data.class_names == [label.name for label in CLASSES]
    assert data.records.labels == [0, 1, 2, 3]
    batches = list(data.test_dataloader())
    assert sum(len(batch.clips) for batch in batches) == 4 * data.num_views == 4 * 2 * 3
    assert batches[0].clips.shape[1:] == (8, 3, 96, 96)
    assert data.coverage.evaluated == 4


def test_a_list_for_validation_is_made_when_it_is_named(root):
    data = DemoRecognition(str(root), val_annotation="vallist01.txt", **OPTIONS)
    data.prepare_data()
    assert "vallist01.txt" in lists(root)
    data.setup("validate")
    assert len(data.records.videos) == COUNTS["val"]


class Idle(L.LightningModule):
    def training_step(self, batch, batch_idx):
        return torch.zeros(1, requires_grad=True).sum()

    def configure_optimizers(self):
        return None


@pytest.mark.parametrize("way", ["trainer", "setup", "train_annotation"])
@pytest.mark.filterwarnings("ignore")
def test_the_training_split_is_made_when_it_is_needed(way, root):
    (root / LIST_FOLDER / "trainlist01.txt").unlink(missing_ok=True)
    data = DemoRecognition(
        str(root), train_annotation="trainlist01.txt" if way == "train_annotation" else None, **OPTIONS
    )
    if way == "trainer":
        trainer = L.Trainer(accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False)
        trainer.fit(Idle(), datamodule=data)
    else:
        data.prepare_data()
        assert ("trainlist01.txt" in lists(root)) == (way == "train_annotation")
        data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch.clips.shape == (2, 8, 3, 96, 96)
    assert set(batch.label.tolist()) <= {0, 1, 2}


def test_the_number_of_test_videos_that_is_warned_about_is_the_generator_s():
    assert DemoRecognition.published_videos == {1: SPLITS["test"].num_videos}
