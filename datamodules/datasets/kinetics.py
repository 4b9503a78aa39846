"""Kinetics: 400, 600 or 700 kinds of action in ten seconds of YouTube videos, some of which are always gone."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal

from datamodules.annotations.class_tree import is_class_tree
from datamodules.annotations.records import RecognitionRecords
from datamodules.dataset_files import ANNOTATION_FOLDERS
from datamodules.recognition import RecognitionDataModule

_TRIMMED = re.compile(r"(.+)_([0-9]{6})_([0-9]{6})")


def _label_maps(number: int) -> tuple[str, ...]:
    """Files of class names, as the projects call them that publish the lists."""
    return (
        f"kinetics_label_map_k{number}.txt",
        f"label_map_k{number}.txt",
        f"kinetics{number}_label_map.txt",
        f"kinetics_{number}_labels.csv",
    )


class Kinetics400(RecognitionDataModule):
    """Kinetics-400, tested on its validation part: lists of VideoMAE or MMAction, the release's tables, class folders.

    Files are clips cut to their seconds, ``<id>_000095_000105.mp4`` or ``<id>_95_105.mp4``. A file ``<id>.mp4`` may be
    the whole video, so it is taken only where a list names it so. No two copies have the same videos:
    ``missing="skip"`` evaluates those that are there, and how many of how many is said.

    Args:
        num_segments: Clips of each video in a test; VideoMAE's protocol is 5 clips of 3 crops, 16 frames, stride 4.
        num_crops: Squares along the long side of each of these clips.
        stride: Frames from one frame of a clip to the next.
        **options: Options of :class:`~datamodules.recognition.RecognitionDataModule`.
    """

    annotation_folders: ClassVar = (*ANNOTATION_FOLDERS, "videos")
    class_file_names: ClassVar = _label_maps(400)
    published_classes: ClassVar = 400
    video_folders: ClassVar = ("videos", "")  # of training and validation, which often lie side by side

    def __init__(self, root: str, num_segments: int = 5, num_crops: int = 3, stride: int | None = 4, **options: Any):
        super().__init__(root, num_segments=num_segments, num_crops=num_crops, stride=stride, **options)

    def is_annotation(self, path: Path) -> bool:
        """A file, or a folder with a folder of videos for each class."""
        return super().is_annotation(path) or is_class_tree(path)

    def video_aliases(self, stem: str) -> Iterable[str]:
        """Seconds without leading zeros."""
        trimmed = _TRIMMED.fullmatch(stem)
        return [f"{trimmed[1]}_{int(trimmed[2])}_{int(trimmed[3])}"] if trimmed else []

    def read_part(self, annotation: Path, part: Literal["train", "test"]) -> RecognitionRecords:
        """The rows of a part, where a table holds several."""
        return self._read_list(annotation, part)

    def _file_names(self, training: bool = False) -> tuple[str, ...]:
        part, number = "train" if training else "val", self.published_classes
        own = () if training else ("validate.csv", "validation.csv", "test.csv")
        lists = (f"kinetics{number}_{part}_list_videos.txt", f"kinetics_{part}_list_videos.txt")
        return (*lists, f"{part}.csv", *own, f"kinetics{number}_{part}.csv", part, f"videos_{part}")


class Kinetics600(Kinetics400):
    """Kinetics-600, as Kinetics-400."""

    class_file_names: ClassVar = _label_maps(600)
    published_classes: ClassVar = 600


class Kinetics700(Kinetics400):
    """Kinetics-700 of 2019 or 2020, as Kinetics-400."""

    class_file_names: ClassVar = _label_maps(700)
    published_classes: ClassVar = 700
