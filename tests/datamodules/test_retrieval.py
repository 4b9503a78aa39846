import inspect
import json
from itertools import chain

import jsonargparse
import lightning as L
import pytest
import torch

from datamodules import MSRVTT, MSVD
from datamodules.annotations.text import pre_text
from datamodules.base import VideoDataModule
from datamodules.clips.decoder import BrokenVideoError
from datamodules.clips.sampling import middle_frames
from datamodules.retrieval import Coverage, RetrievalDataModule
from tests.datamodules.conftest import LENGTHS, caption, write_umt_annotation
from tests.helpers.datasets import contents
from tests.helpers.video import frame_numbers


class Recorder(L.LightningModule):
    """Collects the batches it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches = [], []
        self.training_batches = []

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        self.batches[dataloader_idx].append(batch)

    validation_step = test_step

    def training_step(self, batch, batch_idx):
        self.training_batches.append(batch)
        return self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def make(root, **options):
    options = {"num_frames": 8, "image_size": 32, "batch_size": 3, "num_workers": 0} | options
    return MSVD(str(root), **options)


def run(datamodule, stage="test", **options):
    trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, max_epochs=2, **options
    )
    recorder = Recorder()
    getattr(trainer, stage)(recorder, datamodule=datamodule)
    return recorder


def break_video(dataset, number):
    (dataset / "videos" / f"clip{number}.mp4").write_bytes(b"not a video\n" * 200)


@pytest.mark.filterwarnings("ignore:.*worker processes in total")
@pytest.mark.parametrize("num_workers", [0, 2, 9])  # 9: more than videos
def test_every_video_and_text_arrives_once_and_in_order(dataset, num_workers):
    recorder = run(make(dataset, num_workers=num_workers))
    clips, texts = recorder.batches
    assert contents(clips[0]) == {"clips", "index", "broken", "first", "items"}
    assert contents(texts[0]) == {"texts", "index", "videos", "first", "items"}
    assert [(batch.first, batch.items) for batch in clips] == [(0, 3), (3, 3), (6, 1)]
    assert [(batch.first, batch.items) for batch in texts] == [(0, 21)]
    assert torch.cat([batch.index for batch in clips]).tolist() == list(range(7))
    assert [len(batch.clips) for batch in clips] == [3, 3, 1]
    assert all(batch.clips.dtype == torch.uint8 and batch.broken == [] for batch in clips)
    seen = [frame_numbers(clip) for batch in clips for clip in batch.clips]
    assert seen == [middle_frames(length, 8) for length in LENGTHS]
    assert list(chain.from_iterable(batch.texts for batch in texts)) == [
        pre_text(caption(v, n)) for v in range(7) for n in range(3)
    ]
    assert list(chain.from_iterable(batch.videos for batch in texts)) == [[v] for v in range(7) for _ in range(3)]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_broken_videos_are_counted_and_the_run_goes_on(dataset, caplog, num_workers):
    for number in (5, 1, 6):
        break_video(dataset, number)
    datamodule = make(dataset, num_workers=num_workers)
    clips, _ = run(datamodule).batches
    assert datamodule.coverage == Coverage(total=7, missing=[], broken=["clip1.mp4", "clip5.mp4", "clip6.mp4"])
    assert datamodule.coverage.evaluated == 4
    assert torch.cat([batch.index for batch in clips]).tolist() == [0, 2, 3, 4]
    assert clips[-1].clips.shape == (0, 8, 3, 32, 32)
    assert [position for batch in clips for position, _ in batch.broken] == [1, 5, 6]
    assert caplog.text.count("left out of the evaluation") == 3
    assert datamodule.num_videos == 7


def test_the_resizing_is_named(dataset):
    assert make(dataset, image_size=48).resizing == "frames to 48x48 (bicubic, not antialiased)"


def test_only_texts_with_a_video_that_can_be_decoded_are_counted(dataset):
    for number in (1, 2):
        break_video(dataset, number)
    videos = [["clip0.mp4", "clip1.mp4"], ["clip1.mp4", "clip2.mp4"], ["clip3.mp4"]]
    (dataset / "several.json").write_text(json.dumps([{"video": names, "caption": "x"} for names in videos]))
    datamodule = make(dataset, annotation="several.json")
    datamodule.setup("test")
    assert datamodule.counts() == {"texts": 3}
    run(datamodule)
    assert datamodule.counts() == {"texts": 2}
    assert datamodule.num_clips == datamodule.coverage.evaluated == 2


def test_a_second_run_counts_afresh_and_a_second_pass_does_not_count_twice(dataset):
    break_video(dataset, 1)
    datamodule = make(dataset)
    for _ in range(2):
        run(datamodule)
        assert datamodule.coverage.broken == ["clip1.mp4"]
    for batch in datamodule.test_dataloader()[0]:
        datamodule.on_before_batch_transfer(batch, 0)
    assert datamodule.coverage.broken == ["clip1.mp4"]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_strict_stops_at_the_first_broken_video(dataset, num_workers):
    break_video(dataset, 4)
    with pytest.raises(BrokenVideoError, match=r"clip4\.mp4: cannot be read as a video"):
        run(make(dataset, strict=True, num_workers=num_workers))


def test_missing_videos_stop_before_any_model_with_their_number_and_names(dataset):
    for number in (2, 5):
        (dataset / "videos" / f"clip{number}.mp4").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        make(dataset).setup("test")
    assert "2 of 7 videos have no file" in str(caught.value)
    assert "clip2.mp4, clip5.mp4;" in str(caught.value)
    assert 'missing="skip"' in str(caught.value)


def test_skipped_videos_leave_gallery_and_queries(dataset):
    (dataset / "videos" / "clip0.mp4").unlink()
    (dataset / "videos" / "clip3.mp4").write_bytes(b"")
    datamodule = make(dataset, missing="skip")
    clips, texts = run(datamodule).batches
    assert datamodule.coverage == Coverage(total=7, missing=["clip0.mp4", "clip3.mp4"], broken=[])
    assert datamodule.coverage.evaluated == datamodule.num_videos == 5
    assert datamodule.num_texts == 15
    assert frame_numbers(clips[0].clips[0]) == middle_frames(LENGTHS[1], 8)
    assert list(chain.from_iterable(batch.videos for batch in texts)) == [[v] for v in range(5) for _ in range(3)]
    assert texts[0].texts[0] == pre_text(caption(1, 0))


def test_a_text_of_several_videos_survives_the_loss_of_one(dataset):
    path = dataset / "several.json"
    records = [
        {"video": ["clip0.mp4", "absent.mp4", "clip2.mp4"], "caption": "x"},
        {"video": "gone.mp4", "caption": "y"},
    ]
    path.write_text(json.dumps(records))
    datamodule = make(dataset, annotation="several.json", missing="skip")
    datamodule.setup("test")
    assert (datamodule.num_videos, datamodule.num_texts) == (2, 1)
    assert datamodule.records.gt_text_to_videos == [[0, 1]]


def test_skipping_every_video_is_an_error_all_the_same(dataset):
    (dataset / "other.json").write_text('[{"video": "x.mp4", "caption": "a"}]')
    with pytest.raises(FileNotFoundError, match="1 of 1 videos have no file"):
        make(dataset, annotation="other.json", missing="skip").setup("test")


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (4, 4), (100, 7)])
def test_limit_takes_the_first_videos_with_their_captions(dataset, limit, expected):
    datamodule = make(dataset, limit=limit)
    datamodule.setup("test")
    assert (datamodule.num_videos, datamodule.num_texts) == (expected, 3 * expected)
    assert datamodule.coverage.total == expected
    assert datamodule.records.videos == [f"clip{number}.mp4" for number in range(expected)]


def test_a_share_is_the_same_each_time_and_holds_every_smaller_one(dataset):
    drawn = []
    for share in (0.3, 0.5, 1.0):
        datamodule = make(dataset, share=share)
        datamodule.setup("test")
        drawn.append(datamodule.records.videos)
    assert [len(videos) for videos in drawn] == [3, 4, 7]  # rounded up
    assert set(drawn[0]) < set(drawn[1]) < set(drawn[2])
    assert drawn[1] == [video for video in drawn[2] if video in drawn[1]]  # in the order of the annotation
    assert drawn[1] != drawn[2][:4]
    again = make(dataset, share=0.5)
    again.setup("test")
    assert again.records.videos == drawn[1]


def test_limit_needs_no_file_beyond_it(dataset):
    (dataset / "videos" / "clip6.mp4").unlink()
    make(dataset, limit=6).setup("test")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
def test_an_annotation_cannot_read_outside_the_root(dataset, name):
    (dataset / "evil.json").write_text(json.dumps([{"video": name, "caption": "a"}]))
    with pytest.raises(ValueError, match=f"video '{name}' lies outside the data root"):
        make(dataset, annotation="evil.json").setup("test")


def test_absent_root_annotation_and_videos_are_each_one_sentence(dataset, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(FileNotFoundError, match=r"root=.*/nowhere: no such folder"):
        make(dataset / "nowhere").setup("test")
    with pytest.raises(FileNotFoundError, match=r"no annotation in .*: looked for msvd_ret_test.json, sents_test_lc"):
        make(empty).setup("test")
    with pytest.raises(FileNotFoundError, match=r"annotation=absent.json: no such file"):
        make(dataset, annotation="absent.json").setup("test")
    write_umt_annotation(empty / "msvd_ret_test.json")
    with pytest.raises(FileNotFoundError, match=r"no folder with videos: looked in .*/YouTubeClips, "):
        make(empty).setup("test")
    with pytest.raises(FileNotFoundError, match=r"no folder with videos: looked in .*/absent"):
        make(dataset, video_dir="absent").setup("test")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("missing", "ignore", "missing='ignore' must be 'error' or 'skip'"),
        ("limit", 0, "limit=0 must be at least 1"),
        ("share", 0, "share=0 must be above 0 and at most 1"),
        ("num_frames", 0, "num_frames=0 must be at least 1"),
        ("num_workers", -1, "num_workers=-1"),
        ("crop_scale", (0.8, 0.5), "crop_scale"),
    ],
)
def test_a_wrong_option_is_quoted(dataset, option, value, message):
    with pytest.raises(ValueError, match="must") as caught:
        make(dataset, **{option: value})
    assert message in str(caught.value)


def test_validation_without_its_annotation_is_refused(dataset):
    with pytest.raises(ValueError, match="val_annotation must be given"):
        make(dataset).setup("validate")


def test_training_without_its_annotation_is_refused(dataset):
    with pytest.raises(ValueError, match="train_annotation must be given"):
        make(dataset).setup("fit")


def test_a_training_set_smaller_than_a_batch_is_refused(dataset):
    with pytest.raises(ValueError, match="batch_size=8 exceeds the 7 videos to train on"):
        make(dataset, train_annotation="msvd_ret_test.json", batch_size=8).setup("fit")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_training_batches_pair_each_video_with_one_of_its_captions(dataset, num_workers):
    L.seed_everything(3, workers=True)
    options = {"train_annotation": "msvd_ret_test.json", "batch_size": 2, "num_workers": num_workers}
    batches = run(make(dataset, **options), "fit").training_batches
    assert [len(batch.clips) for batch in batches] == [2] * 6  # two epochs, the seventh video dropped
    epochs = [[int(index) for batch in batches[part] for index in batch.index] for part in (slice(3), slice(3, 6))]
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert epochs[0] != epochs[1]
    for batch in batches:
        for index, text in zip(batch.index.tolist(), batch.texts, strict=True):
            assert text in [pre_text(caption(index, number)) for number in range(3)]
    assert len({text for batch in batches for text in batch.texts}) > 6


def test_training_gives_the_same_batches_for_the_same_seed(dataset):
    def first_batch():
        L.seed_everything(11, workers=True)
        datamodule = make(dataset, train_annotation="msvd_ret_test.json", num_workers=2)
        datamodule.setup("fit")
        return next(iter(datamodule.train_dataloader()))

    one, other = first_batch(), first_batch()
    assert torch.equal(one.clips, other.clips)
    assert one.texts == other.texts


def test_records_naming_the_same_video_share_its_identity_in_training(dataset):
    records = [{"video": f"clip{number % 2}.mp4", "caption": str(number)} for number in range(6)]
    (dataset / "pairs.json").write_text(json.dumps(records))
    datamodule = make(dataset, train_annotation="pairs.json", batch_size=2)
    datamodule.setup("fit")
    assert datamodule.train_dataloader().dataset.captions == [["0", "2", "4"], ["1", "3", "5"]]


def test_broken_videos_are_left_out_of_training_batches(dataset, caplog):
    break_video(dataset, 0)
    options = {"train_annotation": "msvd_ret_test.json", "val_annotation": "msvd_ret_test.json", "batch_size": 7}
    datamodule = make(dataset, **options)
    recorder = run(datamodule, "fit")
    assert [len(batch.clips) for batch in recorder.training_batches] == [6, 6]
    assert [len(batch.texts) for batch in recorder.training_batches] == [6, 6]
    assert "left out of training" in caplog.text
    assert datamodule.coverage.broken == ["clip0.mp4"]  # seen by the validation


def test_validation_loaders_are_those_of_the_validation_annotation(dataset):
    write_umt_annotation(dataset / "val.json", num_videos=2)
    datamodule = make(dataset, val_annotation="val.json")
    clips, texts = run(datamodule, "validate").batches
    assert torch.cat([batch.index for batch in clips]).tolist() == [0, 1]
    assert len(texts[0].texts) == 6


@pytest.mark.parametrize("datamodule", [MSVD, MSRVTT])
def test_every_option_is_explained_on_the_command_line(datamodule):
    parser = jsonargparse.ArgumentParser()
    parser.add_class_arguments(datamodule, "data")
    explained = parser.format_help()
    names = {*inspect.signature(RetrievalDataModule.__init__).parameters}
    names |= {*inspect.signature(VideoDataModule.__init__).parameters}
    for name in names - {"self", "options"}:
        assert f"--data.{name}" in explained
    assert "Processes that decode videos" in explained
