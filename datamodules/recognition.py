"""Recognition data: a list of videos and their classes in, batches of views out."""

import logging
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from datamodules.annotations.recognition_lists import read_recognition_list
from datamodules.annotations.records import RecognitionRecords
from datamodules.base import VideoDataModule, check_positive, once_set_up
from datamodules.clips.sampling import dense_views, interleaved_views, segment_centres
from datamodules.clips.training_frames import RandomFrames, SegmentFrames, WindowFrames
from datamodules.clips.transforms import crops_along_long_side
from datamodules.loading.guarded_loader import GuardedLoader
from datamodules.loading.sharding import Sharing
from datamodules.loading.view_datasets import Cropper, LabelledClipDataset, ViewDataset, ViewSampler, collate_views

__all__ = ["LabelledDataModule", "RecognitionDataModule", "RecognitionRecords"]

logger = logging.getLogger(__name__)


class LabelledDataModule(VideoDataModule):
    """Videos of one class each: what recognition and base-to-novel share.

    Args:
        batch_size: About how many clips a batch holds: whole videos with all their views, at least one.
        mirror: Swap left and right in half of the training clips.
        **options: Options of :class:`~datamodules.base.VideoDataModule`.
    """

    train_names: ClassVar[tuple[str, ...]] = ()
    """File names under which the training annotation is looked for, the preferred one first."""

    def __init__(self, root: str, batch_size: int = 8, mirror: bool = False, **options: Any):
        super().__init__(root, batch_size=batch_size, **options)
        self.mirror = mirror
        self._train_set: LabelledClipDataset | None = None

    @property
    def num_views(self) -> int:
        """Views of each video in a test."""
        return 1

    @property
    def num_clips(self) -> int:
        """Clips that a whole test brings to the model."""
        return self.coverage.evaluated * self.num_views

    def train_dataloader(self) -> GuardedLoader:
        """Batches of random clips with the class of each, shuffled."""
        if self._train_set is None:
            raise RuntimeError('setup("fit") has not run')
        return self._train_loader(self._train_set)

    def _training_set(self, records: RecognitionRecords, frames: RandomFrames) -> LabelledClipDataset:
        if self.limit is not None:
            records = records.keep(range(min(self.limit, len(records.videos))))
        found = self._find_training_videos(records.videos)
        return LabelledClipDataset(
            list(found.values()),
            records.keep(found).labels,
            frames,
            self.image_size,
            crop_scale=self.crop_scale,
            mirror=self.mirror,
            cache_dir=self._cache_dir(),
            decoder=self.decoder,
        )

    def _view_loader(
        self,
        loader: int,
        records: RecognitionRecords,
        sharing: Sharing,
        *,
        sample: ViewSampler,
        crop: Cropper,
        views: int,
    ) -> GuardedLoader:
        dataset = partial(ViewDataset, self._paths[loader], records.labels, sample, crop, self.decoder)
        return self._clip_loader(dataset, sharing, loader=loader, collate=collate_views, views=views)

    def _class_folders(self) -> list[Path]:
        return [self.root / folder for folder in self.annotation_folders]


class RecognitionDataModule(LabelledDataModule):
    """Videos and their classes for recognition.

    A test shows each video in ``num_segments`` clips of ``num_crops`` squares; view ``segment * num_crops + crop``.
    Validation during training shows the centre only.

    Args:
        num_segments: Clips of each video in a test.
        num_crops: Squares along the long side of each of these clips.
        stride: Frames from one frame of a clip to the next; None spreads the frames of a clip over the whole video.
        **options: Options of :class:`LabelledDataModule`.
    """

    test_videos: ClassVar[int | None] = None
    """Videos in the published test; another number is warned about."""
    class_file_names: ClassVar[tuple[str, ...]] = ()
    """File names under which the class names are looked for, in the order of their numbers."""
    published_classes: ClassVar[int | None] = None
    """Classes of the data set: where no file numbers so many names, the alphabet does."""

    def __init__(self, root: str, num_segments: int = 2, num_crops: int = 3, stride: int | None = None, **options: Any):
        super().__init__(root, **options)
        check_positive(num_segments=num_segments, num_crops=num_crops, stride=stride)
        self.num_segments, self.num_crops, self.stride = num_segments, num_crops, stride
        self._records: RecognitionRecords | None = None
        self._train_records: RecognitionRecords | None = None

    @property
    def records(self) -> RecognitionRecords:
        """What is evaluated: videos that have a file, and their classes."""
        return once_set_up(self._records)

    @property
    def num_views(self) -> int:
        """Views of each video in a test."""
        return self.num_segments * self.num_crops

    @property
    def resizing(self) -> str:
        """How a test brings frames to model size, for reports."""
        return f"short side to {self.image_size} (bilinear as OpenCV's 8-bit)"

    @property
    def num_classes(self) -> int:
        """Classes of the annotations that were read."""
        return max(records.num_classes for records in self._annotated())

    @property
    def class_names(self) -> list[str] | None:
        """Name of each class, if an annotation comes with names."""
        return next((records.class_names for records in self._annotated() if records.class_names is not None), None)

    def counts(self) -> dict[str, int]:
        """``views``: views of each video."""
        return {"views": self.num_views}

    def setup(self, stage: str) -> None:
        """Read the annotation and find the file of each video.

        Raises:
            FileNotFoundError: A folder, an annotation or, with ``missing="error"``, a video is not there.
            ValueError: An annotation cannot be read, or a video name is ambiguous or leads out of the data root.
        """
        if stage == "fit":
            training = self._annotation_file("train_annotation", self._file_names(training=True))
            self._train_records = self.read_part(training, "train")
            self._train_set = self._training_set(self._train_records, self._training_frames())
        if stage == "test":
            annotation = self._annotation_file("annotation", self._file_names())
            records, expected = self.read_part(annotation, "test"), self._published_videos()
            if expected not in (None, len(records.videos)):
                logger.warning("%s has %d videos, the published test %d", annotation, len(records.videos), expected)
            (self._records,) = self._set_up_evaluation([records])
        elif stage == "validate" or self.val_annotation:
            (self._records,) = self._set_up_evaluation([self.read_part(self._given("val_annotation"), "test")])

    def read_records(self, annotation: Path) -> RecognitionRecords:
        """Read an annotation; a data set with a format of its own overrides this."""
        return self._read_list(annotation, "test")

    def read_part(self, annotation: Path, part: Literal["train", "test"]) -> RecognitionRecords:
        """Read a part of an annotation; a data set whose annotations hold several parts overrides this."""
        return self.read_records(annotation)

    def _read_list(self, annotation: Path, part: str) -> RecognitionRecords:
        return read_recognition_list(
            annotation,
            self._class_folders(),
            class_files=self.class_file_names,
            num_classes=self.published_classes,
            split=part,
        )

    def test_dataloader(self) -> GuardedLoader:
        """Batches of views, all views of a video in one batch."""
        return self.evaluation_loaders(self._own_part())[0]

    def evaluation_loaders(self, sharing: Sharing) -> list[GuardedLoader]:
        """The loader of a test, of a process's part."""
        sample = partial(interleaved_views, num_frames=self.num_frames, num_segments=self.num_segments)
        if self.stride is not None:
            sample = partial(
                dense_views, num_frames=self.num_frames, stride=self.stride, num_segments=self.num_segments
            )
        return [self._loader(sharing, sample, self.num_segments, self.num_crops)]

    def val_dataloader(self) -> GuardedLoader | list[GuardedLoader]:
        """Batches of one view of each video, its centre; no loader if there is no validation annotation."""
        if not self.val_annotation:
            return []
        sample = partial(_centre_view, num_frames=self.num_frames, stride=self.stride)
        return self._loader(self._own_part(), sample, 1, 1)

    def _loader(self, sharing: Sharing, sample: ViewSampler, num_segments: int, num_crops: int) -> GuardedLoader:
        crop = partial(crops_along_long_side, size=self.image_size, num_crops=num_crops)
        return self._view_loader(0, self.records, sharing, sample=sample, crop=crop, views=num_segments * num_crops)

    def _file_names(self, training: bool = False) -> tuple[str, ...]:
        return self.train_names if training else self.annotation_names

    def _published_videos(self) -> int | None:
        return self.test_videos

    def _training_frames(self) -> RandomFrames:
        if self.stride is None:
            return SegmentFrames(self.num_frames)
        return WindowFrames(self.num_frames, self.stride)

    def _annotated(self) -> list[RecognitionRecords]:
        annotated = [records for records in (self._records, self._train_records) if records is not None]
        if not annotated:
            raise RuntimeError("setup has not run")
        return annotated


def _centre_view(length: int, num_frames: int, stride: int | None) -> list[list[int]]:
    if stride is None:
        return [segment_centres(length, num_frames)]
    return dense_views(length, num_frames, stride, num_segments=1)
