"""Base-to-novel data: two lists of videos, each with class names and a numbering of its own."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from datamodules.annotations.class_files import read_label_csv
from datamodules.annotations.recognition_lists import read_class_list
from datamodules.annotations.records import RecognitionRecords
from datamodules.base import check_positive
from datamodules.clips.sampling import segment_centres
from datamodules.clips.training_frames import SegmentFrames
from datamodules.clips.transforms import zoomed_centre_crop, zoomed_short_side
from datamodules.dataset_files import ANNOTATION_FOLDERS
from datamodules.loading.guarded_loader import GuardedLoader
from datamodules.loading.sharding import Sharing
from datamodules.recognition import LabelledDataModule
from vidtldr.metrics.base_to_novel import HALVES

logger = logging.getLogger(__name__)


class BaseToNovelDataModule(LabelledDataModule):
    """Videos of classes that were trained on and of classes that were not, each half with labels of its own.

    ``test_dataloader`` returns a loader of the base half and one of the novel half; each video is shown in one view.

    Args:
        annotation: Folder of the lists, a path or a name in the folder of the dataset; found by itself if not given.
        seed: Which of the published few-shot training lists to train on.
        val_annotation: List of base videos for validation during training, such as base_val.txt.
        **options: Options of :class:`~datamodules.recognition.LabelledDataModule`.
    """

    annotation_folders: ClassVar[tuple[str, ...]] = ("", "splits", "datasets_splits", *ANNOTATION_FOLDERS[1:])
    train_names: ClassVar[tuple[str, ...]] = ("fs_base_s{seed}_train.txt",)
    label_folders: ClassVar[tuple[str, ...]] = ("labels",)
    """Folders in which class names are looked for, before those of the lists."""
    label_patterns: ClassVar[tuple[str, ...]] = ("*_{half}_labels.csv",)
    """Patterns of the files with the class names of a half, the preferred one first."""
    published_videos: ClassVar[Mapping[str, int]] = {}
    """Videos of each half in the published test; another number is warned about."""

    def __init__(
        self,
        root: str,
        annotation: str | None = None,
        num_frames: int = 32,
        seed: int = 1,
        val_annotation: str | None = None,
        **options: Any,
    ):
        super().__init__(root, annotation=annotation, num_frames=num_frames, val_annotation=val_annotation, **options)
        check_positive(seed=seed)
        self.seed = seed
        self.records: dict[str, RecognitionRecords] = {}
        self.class_names: dict[str, list[str]] = {}

    @property
    def resizing(self) -> str:
        """How a test brings frames to model size, for reports."""
        return f"short side to {zoomed_short_side(self.image_size)} (bilinear as OpenCV's 8-bit)"

    def counts(self) -> dict[str, int]:
        """Videos of each half that were neither missing nor broken; complete after a full pass."""
        return {
            half: len(records.videos) - self._num_broken(loader)
            for loader, (half, records) in enumerate(self.records.items())
        }

    def setup(self, stage: str) -> None:
        """Read the class names and lists and find the file of each video.

        Raises:
            FileNotFoundError: A folder, a list or, with ``missing="error"``, a video is not there.
            ValueError: A list cannot be read, or a video name is ambiguous or leads out of the data root.
        """
        self._check_root()
        self.class_names = {half: read_label_csv(self._label_file(half)) for half in HALVES}
        if stage == "fit":
            self._train_set = self._training_set(self._training_records(), SegmentFrames(self.num_frames))
        if stage == "test":
            self._set_up_halves({half: self._test_records(half) for half in HALVES})
        elif stage == "validate" or self.val_annotation:
            self._set_up_halves({"base": read_class_list(self._given("val_annotation"), self.class_names["base"])})

    def test_dataloader(self) -> list[GuardedLoader]:
        """Loaders of the base and of the novel half."""
        return self.evaluation_loaders(self._own_part())

    def val_dataloader(self) -> list[GuardedLoader]:
        """A loader of the validation list; none if there is no such list."""
        return self.evaluation_loaders(self._own_part()) if self.val_annotation else []

    def evaluation_loaders(self, sharing: Sharing) -> list[GuardedLoader]:
        """A loader of each half, of a process's part."""
        if not self.records:
            raise RuntimeError("setup has not run")
        sample = partial(_single_view, num_frames=self.num_frames)
        crop = partial(zoomed_centre_crop, size=self.image_size)
        return [
            self._view_loader(loader, records, sharing, sample=sample, crop=crop, views=1)
            for loader, records in enumerate(self.records.values())
        ]

    def _set_up_halves(self, halves: dict[str, RecognitionRecords]) -> None:
        self.records = dict(zip(halves, self._set_up_evaluation(list(halves.values())), strict=True))

    def _test_records(self, half: str) -> RecognitionRecords:
        path = self._list_file(f"{half}_val.txt")
        records = read_class_list(path, self.class_names[half])
        expected = self.published_videos.get(half, len(records.videos))
        if expected != len(records.videos):
            logger.warning("%s has %d videos, the published test %d", path, len(records.videos), expected)
        return records

    def _training_records(self) -> RecognitionRecords:
        if self.train_annotation is not None:
            path = self._given("train_annotation")
        else:
            path = self._list_file(self.train_names[0].format(seed=self.seed))
        return read_class_list(path, self.class_names["base"])

    def _list_file(self, name: str) -> Path:
        if self.annotation is None:
            return self._find_file([name])
        path = self.root / self.annotation / name
        path = path if path.is_file() else Path(self.annotation, name)
        if not path.is_file():
            raise FileNotFoundError(
                f"annotation={self.annotation}: no folder with {name}, neither in {self.root} nor in the current folder"
            )
        return path

    def _label_file(self, half: str) -> Path:
        given = () if self.annotation is None else (self.annotation,)
        folders = [self.root / name for name in (*given, *self.label_folders, *self.annotation_folders)]
        folders += [folder / "labels" for folder in folders]
        patterns = [pattern.format(half=half) for pattern in self.label_patterns]
        for folder in folders:
            for pattern in patterns:
                found: list[Path] = sorted(folder.glob(pattern))
                if len(found) > 1:
                    names = ", ".join(path.name for path in found)
                    raise ValueError(f"the class names of the {half} half could be any of {names} in {folder}")
                if found:
                    return found[0]
        raise FileNotFoundError(f"no class names of the {half} half in {self.root}: looked for {', '.join(patterns)}")


def _single_view(length: int, num_frames: int) -> list[list[int]]:
    return [segment_centres(length, num_frames)]
