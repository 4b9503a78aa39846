"""Text-video retrieval data: annotation and video folder in, batches of clips and texts out."""

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from torch.utils.data import DataLoader

from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_files import read_annotation
from datamodules.annotations.text import pre_text
from datamodules.base import VideoDataModule, check_positive, once_set_up
from datamodules.contract import Coverage
from datamodules.loading.batches import Batch
from datamodules.loading.clip_datasets import ClipDataset, TextDataset, TrainingClipDataset, collate_texts
from datamodules.loading.guarded_loader import GuardedLoader
from datamodules.loading.sharding import Sharing

__all__ = ["Coverage", "RetrievalDataModule"]

logger = logging.getLogger(__name__)


class RetrievalDataModule(VideoDataModule):
    """Videos and captions for text-video retrieval.

    ``test_dataloader`` and ``val_dataloader`` return a loader of videos and a loader of texts, in this order.

    Args:
        text_batch_size: Texts in a batch.
        **options: Options of :class:`~datamodules.base.VideoDataModule`.
    """

    test_videos: ClassVar[int | tuple[int, ...] | None] = None
    """Videos in the published test, or in each of those in use; another number is warned about."""
    test_texts: ClassVar[int | None] = None
    """Text queries in the published test; another number is warned about."""
    paragraphs: ClassVar[bool] = False
    """Whether the captions of a record are the sentences of one query; otherwise each of them is a query."""
    max_seconds: ClassVar[float | None] = None
    """How much of each video is looked at, from its beginning; None is all of it."""

    def __init__(self, root: str, num_frames: int = 12, text_batch_size: int = 256, **options: Any):
        super().__init__(root, num_frames=num_frames, **options)
        check_positive(text_batch_size=text_batch_size)
        self.text_batch_size = text_batch_size
        self._records: RetrievalRecords | None = None
        self._train_set: TrainingClipDataset | None = None

    @property
    def records(self) -> RetrievalRecords:
        """What is evaluated: videos that have a file, their texts, and which belong together."""
        return once_set_up(self._records)

    @property
    def num_videos(self) -> int:
        """Videos in the gallery, broken ones included."""
        return len(self.records.videos)

    @property
    def num_texts(self) -> int:
        """Text queries."""
        return len(self.records.texts)

    def counts(self) -> dict[str, int]:
        """``texts``: queries of which at least one video could be decoded; complete after a full pass."""
        broken = {position for _, position in self._broken}
        return {"texts": sum(not broken.issuperset(videos) for videos in self.records.gt_text_to_videos)}

    def setup(self, stage: str) -> None:
        """Read the annotation and find the file of each video.

        Raises:
            FileNotFoundError: A folder, an annotation or, with ``missing="error"``, a video is not there.
            ValueError: An annotation cannot be read, or a video name is ambiguous or leads out of the data root.
        """
        if stage == "fit":
            self._train_set = self._training_set()
        if stage == "test":
            self._set_up_gallery(self._annotation_file("annotation", self.annotation_names), split="test")
        elif stage == "validate" or self.val_annotation:
            self._set_up_gallery(self._given("val_annotation"), split="val")

    def read_records(self, annotation: Path, split: str) -> RetrievalRecords:
        """Read an annotation; a data set with a format of its own overrides this.

        Args:
            annotation: A file that is there.
            split: ``train``, ``val`` or ``test``: which part to take of a file that holds several.
        """
        return read_annotation(annotation, split, paragraphs=self.paragraphs)

    def train_dataloader(self) -> GuardedLoader:
        """Batches of clips, one caption each and the identity of their videos, shuffled."""
        if self._train_set is None:
            raise RuntimeError('setup("fit") has not run')
        return self._train_loader(self._train_set)

    def val_dataloader(self) -> list[Iterable[Batch]]:
        """Loaders of the videos and of the texts of the validation annotation; none if there is no such annotation."""
        return self.evaluation_loaders(self._own_part()) if self.val_annotation else []

    def test_dataloader(self) -> list[Iterable[Batch]]:
        """Loaders of the videos and of the texts."""
        return self.evaluation_loaders(self._own_part())

    def _set_up_gallery(self, annotation: Path, split: str) -> None:
        records = self.read_records(annotation, split)
        if split == "test":
            _warn_of_another_number(annotation, "videos", len(records.videos), self.test_videos)
            _warn_of_another_number(annotation, "texts", len(records.texts), self.test_texts)
        (self._records,) = self._set_up_evaluation([records])

    def _training_set(self) -> TrainingClipDataset:
        annotation = self._given("train_annotation")
        captions = self.read_records(annotation, "train").captions_by_name()
        videos = [video for video, texts in captions.items() if texts][: self.limit]
        if not videos:
            raise ValueError(f"train_annotation={self.train_annotation}: no video has a caption")
        found = self._find_training_videos(videos)
        texts = [[pre_text(text) for text in captions[videos[position]]] for position in found]
        return TrainingClipDataset(
            list(found.values()),
            texts,
            self.num_frames,
            self.image_size,
            self.crop_scale,
            cache_dir=self._cache_dir(),
            max_seconds=self.max_seconds,
            decoder=self.decoder,
        )

    def evaluation_loaders(self, sharing: Sharing) -> list[Iterable[Batch]]:
        """Loaders of the videos and of the texts, of a process's part."""
        texts = TextDataset(self.records)
        clips = partial(ClipDataset, self._paths[0], self.num_frames, self.image_size, self.max_seconds, self.decoder)
        text_batches = sharing.of_loader(1).of(len(texts), self.text_batch_size)
        text_loader = DataLoader(texts, batch_sampler=text_batches, collate_fn=collate_texts)
        return [self._clip_loader(clips, sharing), text_loader]


def _warn_of_another_number(annotation: Path, kind: str, found: int, published: int | tuple[int, ...] | None) -> None:
    accepted = published if isinstance(published, tuple) else (published,)
    if published is not None and found not in accepted:
        logger.warning("%s has %d %s, the published test %s", annotation, found, kind, " or ".join(map(str, accepted)))
