"""UCF101: 101 kinds of action, in three official splits; and in base and novel classes."""

from collections.abc import Mapping
from typing import ClassVar

from datamodules.base_to_novel import BaseToNovelDataModule
from datamodules.dataset_files import ANNOTATION_FOLDERS
from datamodules.official_splits import SplitRecognition

_VIDEO_FOLDERS = ("UCF-101", "UCF101", "videos", "")


class UCF101(SplitRecognition):
    """UCF101 with the official lists, or with those of VideoMAE, MMAction or ViFi-CLIP."""

    annotation_names: ClassVar = ("testlist0{split}.txt", "ucf101_val_split_{split}_videos.txt")
    train_names: ClassVar = ("trainlist0{split}.txt", "ucf101_train_split_{split}_videos.txt")
    annotation_folders: ClassVar = ("ucfTrainTestlist", *ANNOTATION_FOLDERS)
    video_folders: ClassVar = _VIDEO_FOLDERS
    published_videos: ClassVar[Mapping[int, int]] = {1: 3783, 2: 3734, 3: 3696}
    """Videos in the published test of each split."""

    def _file_names(self, training: bool = False) -> tuple[str, ...]:
        names = tuple(name.format(split=self.split) for name in super()._file_names(training))
        return names + self._unnumbered_lists(training)

    def _published_videos(self) -> int | None:
        return self.published_videos.get(self.split)


class UCF101BaseToNovel(BaseToNovelDataModule):
    """UCF101 in 51 base and 50 novel classes, with the lists of ViFi-CLIP.

    The published result is the mean over three models, each trained on the list of one seed.
    """

    annotation_folders: ClassVar = (
        "ucf_splits",
        "datasets_splits/base2novel_splits/ucf_splits",
        "base2novel_splits/ucf_splits",
        *BaseToNovelDataModule.annotation_folders,
    )
    label_patterns: ClassVar = ("ucf_101_{half}_labels.csv", "ucf*_{half}_labels.csv", "*_{half}_labels.csv")
    video_folders: ClassVar = _VIDEO_FOLDERS
    published_videos: ClassVar = {"base": 2088, "novel": 1695}
