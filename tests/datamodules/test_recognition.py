import inspect
from itertools import chain

import jsonargparse
import lightning as L
import numpy as np
import pytest
import torch
from torch import multiprocessing

from datamodules import UCF101, SSv2, UCF101BaseToNovel
from datamodules.base import Coverage, VideoDataModule
from datamodules.clips.decoder import BrokenVideoError
from datamodules.clips.sampling import dense_views, interleaved_views, segment_centres
from datamodules.loading import clip_datasets as datasets
from datamodules.loading import view_datasets
from datamodules.recognition import LabelledDataModule, RecognitionDataModule
from tests.helpers.datasets import contents
from tests.helpers.video import encode_video, frame_numbers, numbered_frames

LENGTHS = [29, 7, 180, 1, 70]
"""Frames of the five videos: shorter than a clip, and a single one among them."""
NAMES = ["a/clip.mp4", "b/clip.mp4", "a/two words.mp4", "one.mp4", "five.mp4"]
LABELS = [0, 2, 1, 2, 0]


class Recorder(L.LightningModule):
    """Collects the batches it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches = []
        self.training_batches = []

    def test_step(self, batch, batch_idx):
        self.batches.append(batch)

    validation_step = test_step

    def training_step(self, batch, batch_idx):
        self.training_batches.append(batch)
        return self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def root(tmp_path):
    """Root with five videos of two equal names in different folders, and a list of them."""
    for name, length in zip(NAMES, LENGTHS, strict=True):
        encode_video(tmp_path / "videos" / name, numbered_frames(length))
    write_list(tmp_path / "list.txt")
    return tmp_path


def write_list(path, count=5):
    lines = [f"{name} {label}\n" for name, label in zip(NAMES, LABELS, strict=True)]
    path.write_text("".join(lines[:count]))


def make(root, **options):
    options = {
        "annotation": "list.txt",
        "num_frames": 8,
        "image_size": 32,
        "batch_size": 12,
        "num_workers": 0,
    } | options
    return RecognitionDataModule(str(root), **options)


def run(datamodule, stage="test", **options):
    trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, max_epochs=2, **options
    )
    recorder = Recorder()
    getattr(trainer, stage)(recorder, datamodule=datamodule)
    return recorder


def break_video(root, name):
    (root / "videos" / name).write_bytes(b"not a video\n" * 200)


def joined(batches, key):
    return torch.cat([getattr(batch, key) for batch in batches]).tolist()


@pytest.mark.filterwarnings("ignore:.*worker processes in total")
@pytest.mark.parametrize("num_workers", [0, 2, 9])  # 9: more than videos
def test_every_view_of_every_video_arrives_once_and_in_order(root, num_workers):
    batches = run(make(root, num_workers=num_workers)).batches
    assert contents(batches[0]) == {"clips", "index", "view", "label", "broken", "first", "items"}
    assert [(batch.first, batch.items) for batch in batches] == [(0, 2), (2, 2), (4, 1)]  # videos, not views
    assert [len(batch.clips) for batch in batches] == [12, 12, 6]  # two videos of six views
    assert joined(batches, "index") == [video for video in range(5) for _ in range(6)]
    assert joined(batches, "view") == list(range(6)) * 5
    assert joined(batches, "label") == [label for label in LABELS for _ in range(6)]
    assert all(batch.clips.dtype == torch.uint8 and batch.broken == [] for batch in batches)
    seen = [frame_numbers(clip) for batch in batches for clip in batch.clips]
    expected = [interleaved_views(length, 8, 2) for length in LENGTHS]
    assert seen == [segment for video in expected for segment in video for _ in range(3)]


def test_the_resizing_is_named(root):
    assert make(root, image_size=56).resizing == "short side to 56 (bilinear as OpenCV's 8-bit)"


def test_a_stride_makes_the_views_dense(root):
    batches = run(make(root, stride=4, num_segments=3, num_crops=1)).batches
    seen = [frame_numbers(clip) for batch in batches for clip in batch.clips]
    assert seen == list(chain.from_iterable(dense_views(length, 8, 4, 3) for length in LENGTHS))


def test_views_are_ordered_by_segment_and_then_by_crop(tmp_path):
    frames = numbered_frames(20, 32, 96)
    frames[:, :, :32], frames[:, :, 64:] = 60, 200  # left and right of the numbers
    frames[:, :, 32:64] = numbered_frames(20)
    encode_video(tmp_path / "videos" / "wide.mp4", frames)
    (tmp_path / "list.txt").write_text("wide.mp4 0\n")
    (batch,) = run(make(tmp_path, num_frames=4)).batches
    clips = batch.clips.numpy()
    for segment, expected in enumerate(interleaved_views(20, 4, 2)):
        left, middle, right = clips[3 * segment : 3 * segment + 3]
        assert frame_numbers(middle) == expected
        assert np.abs(left.mean() - 60) < 10
        assert np.abs(right.mean() - 200) < 10


def test_each_video_is_decoded_once_for_all_its_views(root, monkeypatch):
    asked = []

    def counted(path, sample, *options):
        def noted(length):
            indices = list(sample(length))
            asked.append(indices)
            return indices

        return read_clip(path, noted, *options)

    read_clip = view_datasets.read_clip
    monkeypatch.setattr(view_datasets, "read_clip", counted)
    run(make(root, stride=4, num_segments=5))
    assert len(asked) == 5
    assert all(indices == sorted(set(indices)) for indices in asked)
    assert asked[2] == sorted(set(chain.from_iterable(dense_views(180, 8, 4, 5))))


@pytest.mark.parametrize(("batch_size", "videos"), [(1, [1] * 5), (6, [1] * 5), (13, [2, 2, 1]), (100, [5])])
def test_a_batch_holds_whole_videos_and_at_least_one(root, batch_size, videos):
    datamodule = make(root, batch_size=batch_size)
    datamodule.setup("test")
    assert [len(batch.clips) for batch in datamodule.test_dataloader()] == [6 * count for count in videos]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_broken_videos_are_counted_with_all_their_views_and_the_run_goes_on(root, caplog, num_workers):
    for name in ("five.mp4", "a/clip.mp4"):
        break_video(root, name)
    datamodule = make(root, num_workers=num_workers)
    batches = run(datamodule).batches
    assert datamodule.coverage == Coverage(total=5, missing=[], broken=["a/clip.mp4", "five.mp4"])
    assert joined(batches, "index") == [1] * 6 + [2] * 6 + [3] * 6
    assert joined(batches, "label") == [2] * 6 + [1] * 6 + [2] * 6
    assert batches[-1].clips.shape == (0, 8, 3, 32, 32)
    assert batches[-1].view.dtype == batches[-1].label.dtype == torch.int64
    assert [position for batch in batches for position, _ in batch.broken] == [0, 4]
    assert caplog.text.count("left out of the evaluation") == 2
    assert datamodule.num_clips == 3 * 6
    assert datamodule.counts() == {"views": 6}


def test_strict_stops_at_the_first_broken_video(root):
    break_video(root, "one.mp4")
    with pytest.raises(BrokenVideoError, match=r"one\.mp4: cannot be read as a video"):
        run(make(root, strict=True))


def test_missing_videos_stop_before_any_model_or_are_left_out_with_their_labels(root):
    (root / "videos" / "a" / "two words.mp4").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 5 videos have no file .*: a/two words\.mp4; missing=\"skip\""):
        make(root).setup("test")
    datamodule = make(root, missing="skip")
    batches = run(datamodule).batches
    assert datamodule.coverage == Coverage(total=5, missing=["a/two words.mp4"], broken=[])
    assert datamodule.records.labels == [0, 2, 2, 0]
    assert joined(batches, "label") == [label for label in [0, 2, 2, 0] for _ in range(6)]
    assert datamodule.num_clips == 4 * 6


def test_the_classes_are_those_of_the_whole_list_whatever_the_limit(root):
    datamodule = make(root, limit=1)
    with pytest.raises(RuntimeError, match="setup has not run"):
        _ = datamodule.num_classes
    datamodule.setup("test")
    assert datamodule.records.videos == NAMES[:1]
    assert datamodule.num_classes == 3
    assert datamodule.class_names is None
    assert datamodule.num_views == 6


def test_validation_shows_one_centre_view_of_each_video(root):
    write_list(root / "val.txt", 3)
    dense = run(make(root, val_annotation="val.txt", stride=4, batch_size=2), "validate").batches
    assert [len(batch.clips) for batch in dense] == [2, 1]
    assert [batch.view.tolist() for batch in dense] == [[0, 0], [0]]
    seen = [frame_numbers(clip) for batch in dense for clip in batch.clips]
    assert seen == [dense_views(length, 8, 4, 1)[0] for length in LENGTHS[:3]]
    spread = run(make(root, val_annotation="val.txt"), "validate").batches
    seen = [frame_numbers(clip) for batch in spread for clip in batch.clips]
    assert seen == [segment_centres(length, 8) for length in LENGTHS[:3]]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_training_batches_hold_one_random_clip_of_each_video_and_its_class(root, num_workers):
    L.seed_everything(3, workers=True)
    options = {"train_annotation": "list.txt", "batch_size": 2, "num_workers": num_workers, "crop_scale": (1.0, 1.0)}
    batches = run(make(root, stride=4, **options), "fit").training_batches
    assert contents(batches[0]) == {"clips", "index", "label", "broken", "first", "items"}
    assert [len(batch.clips) for batch in batches] == [2] * 4  # two epochs, the fifth video dropped
    epochs = [joined(batches[part], "index") for part in (slice(2), slice(2, 4))]
    assert all(len(set(epoch)) == 4 for epoch in epochs)
    assert epochs[0] != epochs[1]
    for batch in batches:
        assert batch.label.tolist() == [LABELS[index] for index in batch.index]
        for clip, index in zip(batch.clips, batch.index.tolist(), strict=True):
            numbers = frame_numbers(clip)
            strided = range(numbers[0], LENGTHS[index], 4)[:8]
            assert numbers == [*strided, *[strided[-1]] * (8 - len(strided))]


@pytest.mark.parametrize("stride", [None, 2])
def test_cached_training_clips_outlive_the_files_and_are_drawn_anew(root, stride):
    options = {"train_annotation": "list.txt", "batch_size": 5, "crop_scale": (1.0, 1.0), "stride": stride}
    datamodule = make(root, cache_training_clips=True, **options)
    datamodule.setup("fit")
    loader = datamodule.train_dataloader()
    next(iter(loader))
    for name in NAMES:
        (root / "videos" / name).unlink()
    seen = set()
    for _ in range(30):
        (batch,) = loader
        clip = batch.clips[batch.index.tolist().index(2)]
        seen.add(tuple(frame_numbers(clip)))
    if stride is None:
        assert len(seen) > 10
        assert all(segment * 22 <= n < (segment + 1) * 23 for clip in seen for segment, n in enumerate(clip))
    else:
        assert seen == {tuple(view) for view in dense_views(180, 8, 2, 3)}


def test_cached_training_clips_keep_their_proportions(tmp_path):
    frames = np.full((20, 32, 96, 3), 60, np.uint8)
    frames[:, :, 32:64] = numbered_frames(20)
    encode_video(tmp_path / "videos" / "wide.mp4", frames)
    (tmp_path / "list.txt").write_text("wide.mp4 0\n")
    datamodule = make(
        tmp_path, train_annotation="list.txt", batch_size=1, cache_training_clips=True, crop_scale=(1.0, 1.0)
    )
    datamodule.setup("fit")
    (batch,) = datamodule.train_dataloader()
    numbers = frame_numbers(batch.clips[0])
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(20))


@pytest.mark.parametrize("mirror", [False, True])
def test_training_clips_are_mirrored_only_if_asked(tmp_path, mirror):
    frames = np.zeros((4, 32, 64, 3), np.uint8)
    frames[:, :, 32:] = 255
    encode_video(tmp_path / "videos" / "halves.mp4", frames)
    (tmp_path / "list.txt").write_text("halves.mp4 0\n")
    datamodule = make(tmp_path, train_annotation="list.txt", batch_size=1, num_frames=2, mirror=mirror)
    datamodule.setup("fit")
    loader = datamodule.train_dataloader()
    brighter_left = set()
    for _ in range(20):
        (batch,) = loader
        left, right = batch.clips[..., :16].float().mean(), batch.clips[..., 16:].float().mean()
        brighter_left |= {bool(left > right)}
    assert brighter_left == ({False, True} if mirror else {False})


def test_broken_videos_are_left_out_of_training_batches(root, caplog):
    break_video(root, "one.mp4")
    datamodule = make(root, train_annotation="list.txt", val_annotation="list.txt", batch_size=5)
    recorder = run(datamodule, "fit")
    assert [len(batch.clips) for batch in recorder.training_batches] == [4, 4]
    assert [len(batch.label) for batch in recorder.training_batches] == [4, 4]
    assert "left out of training" in caplog.text
    assert datamodule.coverage.broken == ["one.mp4"]  # seen by the validation


def test_a_broken_training_video_is_tried_in_one_epoch_only(root, monkeypatch):
    break_video(root, "one.mp4")
    opened = []

    def read_clip(path, *options):
        opened.append(path.name)
        return read(path, *options)

    read = datasets.read_clip
    monkeypatch.setattr(datasets, "read_clip", read_clip)
    datamodule = make(root, train_annotation="list.txt", batch_size=5)
    batches = run(datamodule, "fit").training_batches
    assert [len(batch.broken) for batch in batches] == [1, 1]
    assert (opened.count("one.mp4"), opened.count("five.mp4")) == (1, 2)
    assert datamodule.left_out.keys() == {NAMES.index("one.mp4")}


def test_a_training_keeps_its_workers_and_ends_them(root):
    before = multiprocessing.active_children()
    seen = []

    class Watch(L.Callback):
        def on_train_epoch_end(self, *_):
            seen.append({child.pid for child in multiprocessing.active_children() if child not in before})

    run(make(root, train_annotation="list.txt", batch_size=2, num_workers=2), "fit", callbacks=[Watch()])
    assert [len(workers) for workers in seen] == [2, 2]
    assert seen[0] == seen[1]
    assert set(multiprocessing.active_children()) <= set(before)


def test_training_and_validation_need_their_annotations(root):
    with pytest.raises(ValueError, match="train_annotation must be given"):
        make(root).setup("fit")
    with pytest.raises(ValueError, match="val_annotation must be given"):
        make(root).setup("validate")
    with pytest.raises(ValueError, match="batch_size=12 exceeds the 5 videos to train on"):
        make(root, train_annotation="list.txt").setup("fit")


@pytest.mark.parametrize(
    ("option", "value"), [("num_segments", 0), ("num_crops", 0), ("stride", 0), ("num_frames", 0), ("limit", 0)]
)
def test_a_wrong_option_is_quoted(root, option, value):
    with pytest.raises(ValueError, match=f"{option}=0 must be at least 1"):
        make(root, **{option: value})


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
def test_a_list_cannot_read_outside_the_root(root, name):
    (root / "evil.txt").write_text(f"{name} 0\n")
    with pytest.raises(ValueError, match=f"video '{name}' lies outside the data root"):
        make(root, annotation="evil.txt").setup("test")


@pytest.mark.parametrize("datamodule", [UCF101, SSv2, UCF101BaseToNovel])
def test_every_option_is_explained_on_the_command_line(datamodule):
    parser = jsonargparse.ArgumentParser()
    parser.add_class_arguments(datamodule, "data")
    explained = parser.format_help()
    names = set()
    for base in (datamodule, LabelledDataModule, VideoDataModule):
        names |= {*inspect.signature(base.__init__).parameters}
    for name in names - {"self", "options"}:
        assert f"--data.{name}" in explained
    assert explained.count("Processes that decode videos") == 1
    assert "About how many clips a batch holds" in explained
