"""HMDB51: 51 kinds of action from films and the web, in three official splits."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from datamodules.annotations.hmdb51_splits import holds_splits, read_hmdb51_splits
from datamodules.annotations.records import RecognitionRecords
from datamodules.dataset_files import ANNOTATION_FOLDERS
from datamodules.recognition import RecognitionDataModule

_SPLIT_FOLDERS = ("testTrainMulti_7030_splits", "test_train_splits", "splits", "annotations", "metafile")


class HMDB51(RecognitionDataModule):
    """HMDB51 with the official split files, or with lists of VideoMAE or MMAction.

    Args:
        split: Official split; results are reported on the first, or as the mean over the three.
        num_segments: Clips of each video in a test.
        num_crops: Squares along the long side of each of these clips.
        stride: Frames from one frame of a clip to the next.
        **options: Options of :class:`~datamodules.recognition.RecognitionDataModule`.
    """

    annotation_folders: ClassVar = (*ANNOTATION_FOLDERS, *_SPLIT_FOLDERS)
    video_folders: ClassVar = ("hmdb51_org", "hmdb51", "HMDB51", "videos", "")
    class_file_names: ClassVar = ("label_map_hmdb51.txt", "hmdb51_label_map.txt", "hmdb_51_labels.csv", "label_map.txt")
    published_classes: ClassVar = 51
    test_videos: ClassVar = 1530

    def __init__(
        self,
        root: str,
        split: Literal[1, 2, 3] = 1,
        num_segments: int = 5,
        num_crops: int = 3,
        stride: int | None = 4,
        **options: Any,
    ):
        super().__init__(root, num_segments=num_segments, num_crops=num_crops, stride=stride, **options)
        if split not in (1, 2, 3):
            raise ValueError(f"split={split} must be 1, 2 or 3")
        self.split = split

    def is_annotation(self, path: Path) -> bool:
        """A file, or a folder with the official split files."""
        return super().is_annotation(path) or holds_splits(path)

    def read_part(self, annotation: Path, part: Literal["train", "test"]) -> RecognitionRecords:
        """The part of the split, where the official files are read."""
        if annotation.is_dir():
            return read_hmdb51_splits(annotation, self.split, part)
        return self._read_list(annotation, part)

    def _file_names(self, training: bool = False) -> tuple[str, ...]:
        part = "train" if training else "val"
        named = (*_SPLIT_FOLDERS, f"hmdb51_{part}_split_{self.split}_videos.txt")
        if self.split != 1:
            return named
        return (*named, *(("train.csv",) if training else ("test.csv", "val.csv")))  # they name no split: the first
