import shutil

import lightning as L
import pytest
import torch

from datamodules import UCF101BaseToNovel
from datamodules.base import Coverage
from datamodules.clips.sampling import segment_centres
from tests.helpers.datasets import contents
from tests.helpers.video import encode_video, frame_numbers, numbered_frames

LENGTHS = {
    "v_Typing_g01_c01.avi": 50,
    "v_HandStandPushups_g01_c01.avi": 7,
    "v_YoYo_g01_c01.avi": 33,
    "v_Typing_g09_c01.avi": 40,
    "v_YoYo_g02_c01.avi": 64,
}
BASE = ["v_Typing_g01_c01.avi", "v_HandStandPushups_g01_c01.avi", "v_Typing_g09_c01.avi"]
NOVEL = ["v_YoYo_g01_c01.avi", "v_YoYo_g02_c01.avi"]


class Recorder(L.LightningModule):
    """Collects the batches of both loaders."""

    def __init__(self):
        super().__init__()
        self.batches = [], []

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        self.batches[dataloader_idx].append(batch)


def write_lists(lists, labels):
    for folder in (lists, labels):
        folder.mkdir(parents=True, exist_ok=True)
    (lists / "base_val.txt").write_text("".join(f"{name} {int('Push' in name)}\n" for name in BASE))
    (lists / "novel_val.txt").write_text("".join(f"{name} 0\n" for name in NOVEL))
    for seed in (1, 2, 3):
        (lists / f"fs_base_s{seed}_train.txt").write_text(f"{BASE[seed - 1]} {int(seed == 2)}\n")
    (labels / "ucf_101_base_labels.csv").write_bytes(b"id,name\r\n0,Typing\r\n1,HandstandPushups\r\n")
    (labels / "ucf_101_novel_labels.csv").write_bytes(b"id,name\r\n0,YoYo\r\n1,PlayingViolin\r\n")


@pytest.fixture
def videos(tmp_path):
    """Root with videos in class folders: the lists are flat all the same."""
    for name, length in LENGTHS.items():
        path = tmp_path / "UCF-101" / name.split("_")[1].replace("Stand", "stand") / name
        encode_video(path, numbered_frames(length, 64, 64), codec="mpeg4", crf=None)
    return tmp_path


@pytest.fixture
def root(videos):
    """Root with the lists in the published layout."""
    write_lists(videos / "ucf_splits", videos / "labels")
    return videos


def make(root, **options):
    return UCF101BaseToNovel(str(root), **({"image_size": 56, "num_workers": 0, "batch_size": 2} | options))


def set_up(root, stage="test", **options):
    datamodule = make(root, **options)
    datamodule.setup(stage)
    return datamodule


def run(datamodule):
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    recorder = Recorder()
    trainer.test(recorder, datamodule=datamodule, verbose=False)
    return recorder.batches


def test_each_half_has_its_own_loader_labels_and_class_names(root):
    datamodule = make(root)
    base, novel = run(datamodule)
    assert datamodule.class_names == {"base": ["Typing", "HandstandPushups"], "novel": ["YoYo", "PlayingViolin"]}
    assert torch.cat([batch.label for batch in base]).tolist() == [0, 1, 0]
    assert torch.cat([batch.index for batch in base]).tolist() == [0, 1, 2]
    assert torch.cat([batch.label for batch in novel]).tolist() == [0, 0]
    assert torch.cat([batch.index for batch in novel]).tolist() == [0, 1]
    assert all((batch.view == 0).all() for batch in base + novel)
    assert list(datamodule.records) == ["base", "novel"]
    assert datamodule.records["novel"].videos == NOVEL
    assert datamodule.coverage == Coverage(total=5)
    assert datamodule.counts() == {"base": 3, "novel": 2}
    assert (datamodule.num_clips, datamodule.num_views) == (5, 1)


def test_the_resizing_is_named_with_the_side_before_the_crop(root):
    assert make(root, image_size=56).resizing == "short side to 64 (bilinear as OpenCV's 8-bit)"


def test_a_clip_is_one_centre_of_32_frames(root):
    base, _ = set_up(root).test_dataloader()
    clips = [clip for batch in base for clip in batch.clips]
    assert clips[0].shape == (32, 3, 56, 56)
    assert [frame_numbers(clip) for clip in clips] == [segment_centres(LENGTHS[name], 32) for name in BASE]


def test_broken_and_missing_videos_of_both_halves_are_counted_together(root):
    (root / "UCF-101" / "Typing" / BASE[0]).unlink()
    (root / "UCF-101" / "HandstandPushups" / BASE[1]).write_bytes(b"not a video\n" * 200)
    (root / "UCF-101" / "YoYo" / NOVEL[0]).write_bytes(b"not a video\n" * 200)
    datamodule = make(root, missing="skip")
    base, novel = run(datamodule)
    assert datamodule.coverage == Coverage(total=5, missing=[BASE[0]], broken=[BASE[1], NOVEL[0]])
    assert datamodule.counts() == {"base": 1, "novel": 1}
    assert datamodule.num_clips == 2
    assert torch.cat([batch.index for batch in base]).tolist() == [1]
    assert torch.cat([batch.index for batch in novel]).tolist() == [1]


def test_missing_videos_of_either_half_stop_before_any_model(root):
    (root / "UCF-101" / "YoYo" / NOVEL[1]).unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 2 videos have no file .*: v_YoYo_g02_c01\.avi;"):
        set_up(root)


def test_the_limit_applies_to_each_half(root):
    datamodule = set_up(root, limit=1)
    assert {half: records.videos for half, records in datamodule.records.items()} == {
        "base": BASE[:1],
        "novel": NOVEL[:1],
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_seed_chooses_the_training_list(root, seed):
    datamodule = set_up(root, "fit", seed=seed, batch_size=1, crop_scale=(1.0, 1.0))
    (batch,) = datamodule.train_dataloader()
    assert contents(batch) == {"clips", "index", "label", "broken", "first", "items"}
    assert batch.label.tolist() == [int(seed == 2)]
    assert batch.clips.shape == (1, 32, 3, 56, 56)
    assert datamodule.class_names["novel"] == ["YoYo", "PlayingViolin"]
    assert datamodule.val_dataloader() == []


def test_a_seed_without_its_list_is_named(root):
    with pytest.raises(FileNotFoundError, match=r"looked for fs_base_s4_train\.txt"):
        set_up(root, "fit", seed=4)


def test_validation_sees_base_videos_only(root):
    datamodule = set_up(root, "fit", batch_size=1, val_annotation="base_val.txt")
    (loader,) = datamodule.val_dataloader()
    assert [batch.label.tolist() for batch in loader] == [[0], [1], [0]]
    assert datamodule.coverage.total == 3


@pytest.mark.parametrize(
    ("lists", "labels"),
    [
        ("", ""),
        ("splits", "labels"),
        ("datasets_splits/base2novel_splits/ucf_splits", "labels"),
        ("ucf_splits", "ucf_splits"),
    ],
)
def test_the_usual_layouts_are_found(videos, lists, labels):
    write_lists(videos / lists, videos / labels)
    assert set_up(videos).class_names["base"] == ["Typing", "HandstandPushups"]


def test_the_folder_of_the_lists_can_be_given(videos):
    write_lists(videos / "mine", videos / "mine")
    assert set_up(videos, annotation="mine").records["base"].videos == BASE
    with pytest.raises(FileNotFoundError, match=r"no class names of the base half"):
        set_up(videos)
    write_lists(videos / "labels", videos / "labels")
    with pytest.raises(FileNotFoundError, match=r"annotation=absent: no folder with base_val\.txt"):
        set_up(videos, annotation="absent")


def test_class_names_of_another_dataset_beside_them_are_not_taken(root):
    (root / "labels" / "hmdb_51_base_labels.csv").write_text("id,name\n0,brush\n")
    assert set_up(root).class_names["base"][0] == "Typing"
    shutil.move(root / "labels" / "ucf_101_base_labels.csv", root / "labels" / "my_base_labels.csv")
    with pytest.raises(ValueError, match=r"could be any of hmdb_51_base_labels.csv, my_base_labels.csv"):
        set_up(root)


def test_a_label_without_a_name_in_its_own_half_is_refused(root):
    (root / "ucf_splits" / "novel_val.txt").write_text(f"{NOVEL[0]} 2\n")
    with pytest.raises(ValueError, match=r"novel_val\.txt, line 1: label 2 .* too large for 2 classes"):
        set_up(root)


def test_counts_other_than_the_published_ones_are_warned_about(root, caplog):
    set_up(root)
    assert "base_val.txt has 3 videos, the published test 2088" in caplog.text
    assert "novel_val.txt has 2 videos, the published test 1695" in caplog.text


def test_an_absent_root_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"root=.*/nowhere: no such folder"):
        set_up(tmp_path / "nowhere")
