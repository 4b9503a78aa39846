"""HMDB51: 51 kinds of action from films and the web, in three official splits."""

from pathlib import Path
from typing import ClassVar, Literal

from datamodules.annotations.hmdb51_splits import holds_splits, read_hmdb51_splits
from datamodules.annotations.records import RecognitionRecords
from datamodules.dataset_files import ANNOTATION_FOLDERS
from datamodules.official_splits import SplitRecognition

_SPLIT_FOLDERS = ("testTrainMulti_7030_splits", "test_train_splits", "splits", "annotations", "metafile")


class HMDB51(SplitRecognition):
    """HMDB51 with the official split files, or with lists of VideoMAE or MMAction."""

    annotation_folders: ClassVar = (*ANNOTATION_FOLDERS, *_SPLIT_FOLDERS)
    video_folders: ClassVar = ("hmdb51_org", "hmdb51", "HMDB51", "videos", "")
    class_file_names: ClassVar = ("label_map_hmdb51.txt", "hmdb51_label_map.txt", "hmdb_51_labels.csv", "label_map.txt")
    published_classes: ClassVar = 51
    test_videos: ClassVar = 1530

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
        lists = (*_SPLIT_FOLDERS, f"hmdb51_{part}_split_{self.split}_videos.txt")
        return lists + self._unnumbered_lists(training)
