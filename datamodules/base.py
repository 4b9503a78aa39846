"""What all video datasets share: what is missing or broken, and how batches are loaded."""

import hashlib
import logging
import math
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils.data import BatchSampler

from datamodules.annotations.question_records import QuestionRecords
from datamodules.annotations.records import RecognitionRecords, RetrievalRecords
from datamodules.clips.cache import KeptClips
from datamodules.clips.decoder import BrokenVideoError, Decoder, check_decoder, decoder_version
from datamodules.clips.shape import ClipShape
from datamodules.contract import Coverage
from datamodules.dataset_files import DatasetFiles
from datamodules.loading.batches import Batch, ClipBatch
from datamodules.loading.clip_datasets import ClipDataset, RandomClipDataset, collate_clips
from datamodules.loading.guarded_loader import GuardedLoader
from datamodules.loading.order import EpochOrder
from datamodules.loading.sharding import Sharing

logger = logging.getLogger(__name__)

Value = TypeVar("Value")
Records = TypeVar("Records", RetrievalRecords, RecognitionRecords, QuestionRecords)


class VideoDataModule(DatasetFiles, ClipShape):
    """Videos of a dataset on disk.

    Files are resolved in ``setup``, before any model is at work; videos that turn out undecodable are reported in
    ``coverage``. A subclass calls :meth:`_set_up_evaluation` in its ``setup``.

    Args:
        batch_size: Clips in a batch.
        num_workers: Processes that decode videos; 0 decodes in the main process.
        strict: Stop at the first video that cannot be decoded instead of counting it.
        limit: Use only this many videos, the first of the annotation, with what belongs to them.
        share: Evaluate only this share of the videos, drawn at random but always the same ones; those of a smaller
            share are among those of a larger one.
        crop_scale: Smallest and largest share of the frame area that a random crop keeps in training.
        cache_training_clips: Decode each training video once and keep the frames of several clips in a temporary file.
        decode_timeout: Seconds that a video may take to decode, in training as in evaluation; one that takes longer
            twice counts as broken. 0 waits for ever.
        kept_clips_gb: Where several methods are compared, disk space for decoded clips, so that only the first method
            decodes them; what does not fit is decoded for each. 0 keeps none.
        decoder: Which library decodes: auto (pyav) gives the right frames of every file, decord those that the
            published evaluations saw, wrong ones from some containers included; torchcodec needs FFmpeg's libraries.
        training_seed: Of the order of training videos and of what is random about each, the same in each process; that
            of the whole training if not given.
        **options: Options of :class:`~datamodules.dataset_files.DatasetFiles`.
    """

    def __init__(
        self,
        root: str,
        num_frames: int = 16,
        image_size: int = 224,
        batch_size: int = 8,
        num_workers: int = 2,
        strict: bool = False,
        limit: int | None = None,
        share: float = 1.0,
        crop_scale: tuple[float, float] = (0.5, 1.0),
        cache_training_clips: bool = False,
        decode_timeout: float = 120.0,
        kept_clips_gb: float = 16.0,
        decoder: Decoder = "auto",
        training_seed: int | None = None,
        **options: Any,
    ):
        super().__init__(root, **options)
        check_positive(num_frames=num_frames, image_size=image_size, batch_size=batch_size, limit=limit)
        if not 0 < share <= 1:
            raise ValueError(f"share={share} must be above 0 and at most 1")
        if not 0 < crop_scale[0] <= crop_scale[1] <= 1:
            raise ValueError(f"crop_scale={tuple(crop_scale)} must be two rising shares in (0, 1]")
        for name, value in (
            ("num_workers", num_workers),
            ("decode_timeout", decode_timeout),
            ("kept_clips_gb", kept_clips_gb),
            ("training_seed", training_seed or 0),
        ):
            if value < 0:
                raise ValueError(f"{name}={value} must not be negative")
        self.num_frames, self.image_size = num_frames, image_size
        self.batch_size, self.num_workers = batch_size, num_workers
        self.strict, self.limit, self.share = strict, limit, share
        self.crop_scale, self.decode_timeout = crop_scale, decode_timeout
        check_decoder(decoder)
        self.decoder: Decoder = decoder

        self.cache_training_clips = cache_training_clips
        self._cache_folder: tempfile.TemporaryDirectory[str] | None = None
        self.training_seed = training_seed or 0
        self._kept_clips = KeptClips(kept_clips_gb * 1e9)
        self.coverage = Coverage()
        self._galleries: list[list[str]] = []  # names of the videos that each loader of videos brings
        self._paths: list[list[Path]] = []  # their files
        self._training_loader: GuardedLoader | None = None
        self._broken: dict[tuple[int, int], str] = {}  # (loader, position) -> name
        self._known_broken: dict[Path, str] = {}  # of all passes: a decode that fails once is not tried again

    @property
    def num_clips(self) -> int:
        """Clips that a whole test brings to the model."""
        return self.coverage.evaluated

    @property
    def resizing(self) -> str:
        """How a test brings frames to model size, for reports."""
        return f"frames to {self.image_size}x{self.image_size} (bicubic, not antialiased)"

    def counts(self) -> dict[str, int]:
        """What a report tells beside the number of videos; complete after a full pass."""
        return {}

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Count the broken videos of a batch; runs in the main process, which the workers cannot write to.

        Raises:
            BrokenVideoError: A video of the batch is broken and ``strict`` is set.
        """
        if self.trainer is None or not self.trainer.training:
            self.record_broken(dataloader_idx, batch.left_out)
        elif batch.left_out:
            self._be_strict(batch.left_out)
            self.leave_out(dict(batch.left_out))
        return batch

    def record_broken(self, loader: int, broken: Sequence[tuple[int, str]]) -> None:
        """Count videos of an evaluation as left out; those that were counted before are not counted again.

        Args:
            loader: Which loader of the evaluation.
            broken: Position of each in that loader's data set, and one sentence that names the file.

        Raises:
            BrokenVideoError: There is one, and ``strict`` is set.
        """
        self._be_strict(broken)
        for position, reason in broken:
            self.count_broken(loader, position, reason)

    def _be_strict(self, broken: Sequence[tuple[int, str]]) -> None:
        if self.strict and broken:
            raise BrokenVideoError(broken[0][1])

    @property
    def left_out(self) -> Mapping[int, str]:
        """Position and reason of each broken training video that was met; later epochs do not try it again."""
        return {} if self._training_loader is None else self._training_loader.broken

    def leave_out(self, videos: Mapping[int, str]) -> None:
        """Leave training videos out of the epochs to come, and say so.

        Args:
            videos: From the position of each to one sentence that names the file.
        """
        for reason in videos.values():
            logger.warning("left out of training: %s", reason)
        if self._training_loader is not None:
            self._training_loader.broken.update(videos)

    def teardown(self, stage: str) -> None:
        """End the workers of a training, which outlive its epochs."""
        if self._training_loader is not None:
            self._training_loader.stop()

    def count_broken(self, loader: int, position: int, reason: str) -> None:
        """Count a video as left out; one that was counted before is not counted again.

        Args:
            loader: Which loader of the test.
            position: Of the video in that loader's data set.
            reason: One sentence that names the file.
        """
        if (loader, position) not in self._broken:
            logger.warning("left out of the evaluation: %s", reason)
            self._broken[loader, position] = self._galleries[loader][position]
            self._known_broken[self._paths[loader][position]] = reason
            self.coverage.broken = [self._broken[place] for place in sorted(self._broken)]

    @property
    def decoder_version(self) -> str:
        """Library that decodes, with its version."""
        return decoder_version(self.decoder)

    def fingerprint(self) -> str:
        """Digest of what a test will read, once set up: annotations; decoder, resizing; size and time of each video."""
        digest = hashlib.sha256()
        for name in ("records", "answers", "class_names", "decoder_version", "resizing"):
            digest.update(repr(getattr(self, name, None)).encode())
        for path in chain.from_iterable(self._paths):
            stat = path.stat()
            digest.update(f"{path}\0{stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    @property
    def num_kept_clips(self) -> int:
        """Videos that later passes of this process need not decode."""
        return self._kept_clips.num_kept

    def _set_up_evaluation(self, galleries: Sequence[Records]) -> list[Records]:
        """Find the videos of each loader and count afresh; returns the records whose videos have a file."""
        self.coverage, self._broken = Coverage(), {}
        self._galleries, self._paths = [], []
        kept = []
        for records in galleries:
            if self.limit is not None or self.share < 1:
                records = records.keep(self._positions(len(records.videos)))
            paths = self._find_videos(records.videos)
            self.coverage.total += len(paths)
            self.coverage.missing += [video for video, path in zip(records.videos, paths, strict=True) if path is None]
            kept.append(records.keep(position for position, path in enumerate(paths) if path is not None))
            self._galleries.append(kept[-1].videos)
            self._paths.append([path for path in paths if path is not None])
        return kept

    def _positions(self, num_videos: int) -> list[int]:
        """Positions of the videos of a gallery that ``limit`` and ``share`` leave, in their order."""
        order = list(range(min(num_videos, self.limit or num_videos)))
        wanted = math.ceil(self.share * len(order))
        random.Random(0).shuffle(order)
        return sorted(order[:wanted])

    def _num_broken(self, loader: int) -> int:
        return sum(place == loader for place, _ in self._broken)

    def _find_training_videos(self, videos: list[str]) -> dict[int, Path]:
        """From the position of a video to its file, those without one left out."""
        found = {position: path for position, path in enumerate(self._find_videos(videos)) if path is not None}
        if len(found) < self.batch_size:  # the last batch is dropped if it is not full
            raise ValueError(f"batch_size={self.batch_size} exceeds the {len(found)} videos to train on")
        return found

    def _cache_dir(self) -> Path | None:
        """A folder for decoded frames, if they are to be kept."""
        if not self.cache_training_clips:
            return None
        self._cache_folder = tempfile.TemporaryDirectory(prefix="vidtldr-clips-")  # removed with this object
        return Path(self._cache_folder.name)

    def _train_loader(
        self, dataset: RandomClipDataset, collate: Callable[..., ClipBatch] = collate_clips
    ) -> GuardedLoader:
        """A loader of full batches, shuffled; its workers live until :meth:`teardown`."""
        rank, world_size = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        order = EpochOrder(
            len(dataset), batch_size=self.batch_size, seed=self.training_seed, rank=rank, world_size=world_size
        )
        batches = BatchSampler(order, self.batch_size, drop_last=True)  # type: ignore[arg-type]  # it takes any element
        self._training_loader = GuardedLoader(
            dataset,
            batches,
            num_workers=min(self.num_workers, len(dataset)),
            collate_fn=partial(collate, clip_shape=self.clip_shape),
            timeout=self.decode_timeout,
            pin_memory=torch.cuda.is_available(),
            keep_workers=True,
        )
        return self._training_loader

    def _clip_loader(
        self,
        dataset: Callable[..., ClipDataset],
        sharing: Sharing,
        *,
        loader: int = 0,
        collate: Callable[..., ClipBatch] = collate_clips,
        views: int | None = None,
    ) -> GuardedLoader:
        """A loader of this process's share of a gallery.

        Args:
            dataset: Makes a dataset of the gallery, given the clips that are ``kept``.
            sharing: This process's part.
            loader: Which loader of the test or validation it is.
            collate: Puts items into a batch.
            views: Views of each video, where its item holds several.
        """
        paths = self._paths[loader]
        batches = sharing.of_loader(loader).of(len(paths), max(1, self.batch_size // (views or 1)))
        kept = None
        if sharing.keep_clips:
            shape = self.clip_shape if views is None else (views, *self.clip_shape)
            kept = self._kept_clips.of(loader, paths, list(chain.from_iterable(batches)), shape)
        known = enumerate(self._known_broken.get(path) for path in paths)
        return GuardedLoader(
            dataset(kept=kept),
            batches,
            num_workers=min(self.num_workers, len(paths)),
            collate_fn=partial(collate, clip_shape=self.clip_shape),
            timeout=self.decode_timeout,
            pin_memory=torch.cuda.is_available(),
            broken={position: reason for position, reason in known if reason is not None},
        )

    def _own_part(self) -> Sharing:
        """What this process takes of an evaluation by the Trainer."""
        return Sharing() if self.trainer is None else Sharing(self.trainer.global_rank, self.trainer.world_size)


def check_positive(**counts: int | None) -> None:
    """Refuse an option below 1, by its name; None stands for no such option."""
    for name, value in counts.items():
        if value is not None and value < 1:
            raise ValueError(f"{name}={value} must be at least 1")


def once_set_up(value: Value | None) -> Value:
    """What ``setup`` has made.

    Raises:
        RuntimeError: It has not run.
    """
    if value is None:
        raise RuntimeError("setup has not run")
    return value
