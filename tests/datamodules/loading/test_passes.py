"""Several tests of the same videos: what is known of them, and that each is decoded once."""

import os
import shutil
from collections import Counter
from pathlib import Path

import lightning as L
import pytest
import torch

from datamodules import MSVD
from datamodules.loading import clip_datasets as datasets
from datamodules.loading import view_datasets
from datamodules.loading.batches import ClipBatch
from datamodules.loading.sharding import Sharing
from datamodules.recognition import RecognitionDataModule
from tests.datamodules.conftest import write_umt_annotation
from tests.helpers.video import encode_video, numbered_frames

OPTIONS = {"num_frames": 4, "image_size": 32, "batch_size": 3, "num_workers": 0}
METHODS = 3


class Watcher(L.LightningModule):
    """Keeps the clips of a test."""

    def __init__(self, datamodule):
        super().__init__()
        self.datamodule = datamodule

    def on_test_epoch_start(self):
        self.clips = []

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        if isinstance(batch, ClipBatch):
            self.datamodule.record_broken(dataloader_idx, batch.broken)
            self.clips.append(batch.clips.clone())


@pytest.fixture
def opened(monkeypatch):
    """How often each file is decoded, by name."""
    counts = Counter()

    def counted(path, *arguments):
        counts[Path(path).name] += 1
        return read_clip(path, *arguments)

    read_clip = datasets.read_clip
    for module in (datasets, view_datasets):
        monkeypatch.setattr(module, "read_clip", counted)
    return counts


def make_retrieval(root, **options):
    return MSVD(str(root), **(OPTIONS | options))


def make_recognition(root, **options):
    (root / "list.txt").write_text("".join(f"clip{number}.mp4 {number % 2}\n" for number in range(7)))
    return RecognitionDataModule(str(root), **(OPTIONS | {"annotation": "list.txt", "num_crops": 1} | options))


def clips_of_tests(datamodule, times=METHODS):
    """The clips of each of several tests."""
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    seen = []
    for _ in range(times):
        watcher = Watcher(datamodule)
        datamodule.setup("test")
        loaders = datamodule.evaluation_loaders(Sharing(keep_clips=times > 1))
        L.Trainer(accelerator="cpu", enable_model_summary=False, **options).test(watcher, loaders, verbose=False)
        seen.append(torch.cat(watcher.clips))
    return seen


def break_video(root, number):
    (root / "videos" / f"clip{number}.mp4").write_bytes(b"not a video\n" * 200)


@pytest.mark.parametrize("make", [make_retrieval, make_recognition])
def test_several_methods_decode_each_video_once_and_see_the_same_clips(dataset, opened, make):
    datamodule = make(dataset)
    first, *later = clips_of_tests(datamodule)
    assert opened == {f"clip{number}.mp4": 1 for number in range(7)}
    assert datamodule.num_kept_clips == 7
    assert all(torch.equal(first, clips) for clips in later)
    assert len(first) == datamodule.num_clips


def test_without_room_for_them_every_method_decodes(dataset, opened):
    datamodule = make_retrieval(dataset, kept_clips_gb=0)
    first, *later = clips_of_tests(datamodule)
    assert set(opened.values()) == {METHODS}
    assert datamodule.num_kept_clips == 0
    assert all(torch.equal(first, clips) for clips in later)


def test_a_single_pass_keeps_nothing(dataset):
    datamodule = make_retrieval(dataset)
    clips_of_tests(datamodule, times=1)
    assert datamodule.num_kept_clips == 0


@pytest.mark.parametrize("make", [make_retrieval, make_recognition])
@pytest.mark.parametrize("kept_clips_gb", [0, 1])
def test_a_video_known_to_be_broken_is_not_opened_again_and_counts_in_each_pass(dataset, opened, make, kept_clips_gb):
    break_video(dataset, 2)
    datamodule = make(dataset, kept_clips_gb=kept_clips_gb)
    for clips in clips_of_tests(datamodule):
        assert len(clips) == datamodule.num_clips
        assert datamodule.coverage.broken == ["clip2.mp4"]
    assert opened["clip2.mp4"] == 1
    assert opened["clip1.mp4"] == (1 if kept_clips_gb else METHODS)


def test_a_broken_video_is_counted_once_whoever_reports_it(dataset, caplog):
    datamodule = make_retrieval(dataset)
    datamodule.setup("test")
    for _ in range(2):
        datamodule.count_broken(0, 5, "clip5.mp4: cut short")
    datamodule.count_broken(0, 1, "clip1.mp4: empty")
    assert datamodule.coverage.broken == ["clip1.mp4", "clip5.mp4"]  # in the order of the gallery
    assert datamodule.coverage.evaluated == datamodule.num_clips == 5
    assert caplog.text.count("left out of the evaluation") == 2
    assert datamodule.test_dataloader()[0].broken == {5: "clip5.mp4: cut short", 1: "clip1.mp4: empty"}


def fingerprint(root, **options):
    datamodule = make_retrieval(root, **options)
    datamodule.setup("test")
    return datamodule.fingerprint()


def replace_caption(root):
    path = root / "msvd_ret_test.json"
    path.write_text(path.read_text().replace("Caption 1 of video-3!", "Caption 1 of video-3?"))


def touch(root):
    stat = (path := root / "videos" / "clip3.mp4").stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))


def lengthen(root):
    stat = (path := root / "videos" / "clip3.mp4").stat()
    path.write_bytes(path.read_bytes() + b"\0")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def move(root):
    (root / "videos").rename(root / "YouTubeClips")


def drop_last(root):
    write_umt_annotation(root / "msvd_ret_test.json", num_videos=6)


@pytest.mark.parametrize("change", [replace_caption, touch, lengthen, move, drop_last])
def test_the_fingerprint_changes_with_what_a_test_reads(dataset, change):
    before = fingerprint(dataset)
    change(dataset)
    assert fingerprint(dataset) != before


def test_the_fingerprint_changes_with_the_resizing(dataset, monkeypatch):
    before = fingerprint(dataset)
    monkeypatch.setattr(MSVD, "resizing", "short side to 224")
    assert fingerprint(dataset) != before


def test_the_fingerprint_stays_with_everything_else(dataset):
    before = fingerprint(dataset)
    encode_video(dataset / "videos" / "another.mp4", numbered_frames(5))
    shutil.copy(dataset / "msvd_ret_test.json", dataset / "copy.json")
    assert fingerprint(dataset, num_workers=2, decode_timeout=1.0, kept_clips_gb=0, annotation="copy.json") == before
    datamodule = make_retrieval(dataset)
    datamodule.setup("test")
    datamodule.count_broken(0, 1, "clip1.mp4: empty")
    assert datamodule.fingerprint() == before


def test_the_fingerprint_of_a_limited_test_is_its_own(dataset):
    assert fingerprint(dataset, limit=6) != fingerprint(dataset)
