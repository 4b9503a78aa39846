"""Text-video retrieval data: annotation and video folder in, batches of clips and texts out."""

import logging
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from lightning import LightningDataModule
from torch.utils.data import DataLoader

from .annotations import read_annotation
from .datasets import ClipDataset, TextDataset, TrainingClipDataset, clip_loader, collate_texts
from .files import VideoFiles
from .records import RetrievalRecords
from .text import pre_text
from .video import BrokenVideoError

logger = logging.getLogger(__name__)

ANNOTATION_FOLDERS = ("", "annotations", "annotation", "anno_downstream", "anno")
"""Folders below the root in which an annotation is looked for."""


@dataclass
class Coverage:
    """How much of a gallery was evaluated.

    Attributes:
        total: Videos that the annotation asks for, after ``limit``.
        missing: Names of those without a file, in the order of the annotation.
        broken: Names of those whose file could not be decoded, in the order of the gallery; complete after a full pass.
    """

    total: int = 0
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def evaluated(self) -> int:
        """Videos that were neither missing nor broken."""
        return self.total - len(self.missing) - len(self.broken)


class RetrievalDataModule(LightningDataModule):
    """Videos and captions for text-video retrieval.

    ``test_dataloader`` and ``val_dataloader`` return a loader of videos and a loader of texts, in this order. Files are
    resolved in ``setup``, before any model is at work; videos that turn out undecodable are reported in ``coverage``.

    Args:
        root: Folder of the dataset.
        annotation: Test annotation, a path or a file name in the folder of the dataset; found by itself if not given.
        video_dir: Folder of the videos, absolute or in the folder of the dataset; found by itself if not given.
        num_frames: Frames in a clip.
        image_size: Height and width of a clip in pixels.
        batch_size: Clips in a batch.
        num_workers: Processes that decode videos; 0 decodes in the main process.
        text_batch_size: Texts in a batch.
        missing: What to do about videos without a file: stop with an error, or skip them in gallery and queries.
        strict: Stop at the first video that cannot be decoded instead of counting it.
        limit: Use only this many videos, the first of the annotation, with their captions.
        val_annotation: Annotation for validation during training, as annotation.
        train_annotation: Annotation for training, as annotation.
        crop_scale: Smallest and largest share of the frame area that a random crop keeps in training.
        cache_training_clips: Decode each training video once and keep two frames of each segment in a temporary file.
        decode_timeout: Seconds that a batch of videos may take to decode before the run stops; 0 waits for ever.
    """

    annotation_names: ClassVar[tuple[str, ...]] = ()
    """File names under which the test annotation is looked for, the preferred one first."""
    video_folders: ClassVar[tuple[str, ...]] = ("videos", "")
    """Folders in which videos are looked for; the first that holds one is used."""
    test_videos: ClassVar[int | None] = None
    """Videos in the published test; another number is warned about."""
    max_text_tokens: ClassVar[int] = 32
    """Tokens to which captions are padded and truncated."""

    def __init__(
        self,
        root: str,
        annotation: str | None = None,
        video_dir: str | None = None,
        num_frames: int = 12,
        image_size: int = 224,
        batch_size: int = 8,
        num_workers: int = 2,
        text_batch_size: int = 256,
        missing: Literal["error", "skip"] = "error",
        strict: bool = False,
        limit: int | None = None,
        val_annotation: str | None = None,
        train_annotation: str | None = None,
        crop_scale: tuple[float, float] = (0.5, 1.0),
        cache_training_clips: bool = False,
        decode_timeout: float = 300.0,
    ):
        super().__init__()
        counts = {"num_frames": num_frames, "image_size": image_size, "batch_size": batch_size}
        counts |= {"text_batch_size": text_batch_size, "limit": 1 if limit is None else limit}
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if missing not in ("error", "skip"):
            raise ValueError(f"missing={missing!r} must be 'error' or 'skip'")
        if not 0 < crop_scale[0] <= crop_scale[1] <= 1:
            raise ValueError(f"crop_scale={tuple(crop_scale)} must be two rising shares in (0, 1]")
        if num_workers < 0 or decode_timeout < 0:
            raise ValueError(f"num_workers={num_workers} and decode_timeout={decode_timeout} must not be negative")
        self.root = Path(root).expanduser()
        self.annotation, self.val_annotation, self.train_annotation = annotation, val_annotation, train_annotation
        self.video_dir = video_dir
        self.num_frames, self.image_size = num_frames, image_size
        self.batch_size, self.num_workers, self.text_batch_size = batch_size, num_workers, text_batch_size
        self.missing, self.strict, self.limit = missing, strict, limit
        self.crop_scale, self.decode_timeout = crop_scale, decode_timeout

        self.cache_training_clips = cache_training_clips
        self._cache_folder: tempfile.TemporaryDirectory | None = None
        self.coverage = Coverage()
        self.records: RetrievalRecords | None = None
        self._paths: list[Path] = []
        self._files: VideoFiles | None = None
        self._broken: dict[int, str] = {}
        self._train_set: TrainingClipDataset | None = None

    @property
    def num_videos(self) -> int:
        """Videos in the gallery, broken ones included."""
        return len(self._evaluated().videos)

    @property
    def num_texts(self) -> int:
        """Text queries."""
        return len(self._evaluated().texts)

    def setup(self, stage: str) -> None:
        """Read the annotation and find the file of each video.

        Raises:
            FileNotFoundError: A folder, an annotation or, with ``missing="error"``, a video is not there.
            ValueError: An annotation cannot be read, or a video name is ambiguous or leads out of the data root.
        """
        if stage == "fit":
            self._train_set = self._training_set()
        if stage == "test":
            self._set_up_gallery(self._find_annotation(), split="test")
        elif stage == "validate" or self.val_annotation:
            self._set_up_gallery(self._given("val_annotation"), split="val")

    def train_dataloader(self) -> DataLoader:
        """Batches of clips, one caption each and the identity of their videos, shuffled."""
        if self._train_set is None:
            raise RuntimeError('setup("fit") has not run')
        return self._clip_loader(self._train_set, training=True)

    def val_dataloader(self) -> list[DataLoader]:
        """Loaders of the videos and of the texts of the validation annotation; none if there is no such annotation."""
        return self._gallery_loaders() if self.val_annotation else []

    def test_dataloader(self) -> list[DataLoader]:
        """Loaders of the videos and of the texts."""
        return self._gallery_loaders()

    def on_before_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Count the broken videos of a batch; runs in the main process, which the workers cannot write to.

        Raises:
            BrokenVideoError: A video of the batch is broken and ``strict`` is set.
        """
        if "broken" not in batch:  # texts
            return batch
        batch["broken"] = [tuple(video) for video in batch["broken"]]  # pinning memory makes lists of tuples
        for position, reason in batch["broken"]:
            if self.strict:
                raise BrokenVideoError(reason)
            self._count_broken(position, reason, training="texts" in batch)
        return batch

    def video_aliases(self, stem: str) -> Iterable[str]:
        """Other names, without suffix, under which a video may lie on disk."""
        return ()

    def _count_broken(self, position: int, reason: str, training: bool) -> None:
        if training:
            logger.warning("left out of training: %s", reason)
        elif position not in self._broken:
            logger.warning("left out of the evaluation: %s", reason)
            self._broken[position] = self._evaluated().videos[position]
            self.coverage.broken = [self._broken[position] for position in sorted(self._broken)]

    def _set_up_gallery(self, annotation: Path, split: str) -> None:
        records = read_annotation(annotation, split)
        if split == "test" and self.test_videos not in (None, len(records.videos)):
            logger.warning("%s has %d videos, the published test %d", annotation, len(records.videos), self.test_videos)
        if self.limit is not None:
            records = records.keep(range(min(self.limit, len(records.videos))))
        paths = self._find_videos(records.videos)
        self.coverage = Coverage(
            total=len(paths), missing=[video for video, path in zip(records.videos, paths, strict=True) if path is None]
        )
        self.records = records.keep(position for position, path in enumerate(paths) if path is not None)
        self._paths = [path for path in paths if path is not None]
        self._broken = {}

    def _training_set(self) -> TrainingClipDataset:
        captions = read_annotation(self._given("train_annotation"), "train").captions_by_name()
        videos = [video for video, texts in captions.items() if texts][: self.limit]
        if not videos:
            raise ValueError(f"train_annotation={self.train_annotation}: no video has a caption")
        found = [
            (path, [pre_text(text) for text in captions[video]])
            for video, path in zip(videos, self._find_videos(videos), strict=True)
            if path is not None
        ]
        if len(found) < self.batch_size:  # the last batch is dropped if it is not full
            raise ValueError(f"batch_size={self.batch_size} exceeds the {len(found)} videos to train on")
        paths, texts = zip(*found, strict=True)
        cache_dir = None
        if self.cache_training_clips:
            self._cache_folder = tempfile.TemporaryDirectory(prefix="vidtldr-clips-")  # removed with this object
            cache_dir = Path(self._cache_folder.name)
        return TrainingClipDataset(paths, texts, self.num_frames, self.image_size, self.crop_scale, cache_dir)

    def _find_videos(self, videos: list[str]) -> list[Path | None]:
        files = self._video_files()
        paths = [files.find(video) for video in videos]
        lost = [video for video, path in zip(videos, paths, strict=True) if path is None]
        where = f"{len(lost)} of {len(videos)} videos have no file of at least 1 KiB in {files.folder}: "
        where += ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
        if lost and (self.missing == "error" or len(lost) == len(videos)):
            raise FileNotFoundError(where + ('; missing="skip" leaves them out' if self.missing == "error" else ""))
        if lost:
            logger.warning("%s", where)
        return paths

    def _video_files(self) -> VideoFiles:
        if self._files is None:
            names = self.video_folders if self.video_dir is None else (self.video_dir,)
            folders = [folder for folder in (self.root / name for name in names) if folder.is_dir()]
            found = (VideoFiles(folder, root=self.root, aliases=self.video_aliases) for folder in folders)
            self._files = next((files for files in found if files.num_files), None)
            if self._files is None:
                looked = ", ".join(str(self.root / name) for name in names)
                raise FileNotFoundError(f"no folder with videos: looked in {looked}")
            logger.info("%d video files in %s", self._files.num_files, self._files.folder)
        return self._files

    def _find_annotation(self) -> Path:
        if self.annotation is not None:
            return self._given("annotation")
        self._check_root()
        looked = [self.root / folder / name for name in self.annotation_names for folder in ANNOTATION_FOLDERS]
        for path in looked:
            if path.is_file():
                return path
        names = ", ".join(self.annotation_names) or "annotation"
        raise FileNotFoundError(f"no annotation in {self.root}: looked for {names}")

    def _given(self, option: str) -> Path:
        """The file that an annotation option names, in the folder of the dataset or as it is written."""
        name = getattr(self, option)
        if name is None:
            raise ValueError(f"{option} must be given for this stage: a file with the videos and captions to use")
        self._check_root()
        for path in (self.root / name, Path(name)):
            if path.is_file():
                return path
        raise FileNotFoundError(f"{option}={name}: no such file, neither in {self.root} nor in the current folder")

    def _check_root(self) -> None:
        if not self.root.is_dir():
            raise FileNotFoundError(f"root={self.root}: no such folder")

    def _evaluated(self) -> RetrievalRecords:
        if self.records is None:
            raise RuntimeError("setup has not run")
        return self.records

    def _gallery_loaders(self) -> list[DataLoader]:
        texts = TextDataset(self._evaluated())
        clips = ClipDataset(self._paths, self.num_frames, self.image_size)
        return [self._clip_loader(clips), DataLoader(texts, self.text_batch_size, collate_fn=collate_texts)]

    def _clip_loader(self, dataset: ClipDataset, training: bool = False) -> DataLoader:
        return clip_loader(
            dataset,
            batch_size=self.batch_size,
            num_workers=min(self.num_workers, len(dataset)),
            clip_shape=(self.num_frames, 3, self.image_size, self.image_size),
            timeout=self.decode_timeout,
            training=training,
        )
