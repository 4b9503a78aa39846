"""Something-Something V2: 174 kinds of action, told by motion; and retrieval of its videos by label or template."""

from typing import Any, ClassVar

from datamodules.dataset_files import ANNOTATION_FOLDERS
from datamodules.recognition import RecognitionDataModule
from datamodules.retrieval import RetrievalDataModule

_VIDEO_FOLDERS = ("20bn-something-something-v2", "videos", "")


class SSv2(RecognitionDataModule):
    """Something-Something V2, tested on its validation part, with its own files under both names or with plain lists.

    Args:
        mirror: Refused: some classes tell left from right.
        **options: Options of :class:`~datamodules.recognition.RecognitionDataModule`.
    """

    annotation_names: ClassVar = (
        "validation.json",
        "something-something-v2-validation.json",
        "test.csv",
        "val.csv",
    )
    train_names: ClassVar = ("train.json", "something-something-v2-train.json", "train.csv")
    annotation_folders: ClassVar = (*ANNOTATION_FOLDERS, "labels")
    video_folders: ClassVar = _VIDEO_FOLDERS
    test_videos: ClassVar = 24777

    def __init__(
        self,
        root: str,
        num_segments: int = 2,
        num_crops: int = 3,
        stride: int | None = None,
        mirror: bool = False,
        **options: Any,
    ):
        if mirror:
            raise ValueError("mirror=True must not be set for SSv2: some of its classes tell left from right")
        super().__init__(root, num_segments=num_segments, num_crops=num_crops, stride=stride, **options)


class SSv2Label(RetrievalDataModule):
    """Something-Something V2 by labels, "lifting a cup with a spoon on it": one text a video."""

    annotation_names: ClassVar = ("ssv2_ret_label_val_small.json",)
    video_folders: ClassVar = _VIDEO_FOLDERS
    test_videos: ClassVar = 2088
    test_texts: ClassVar = 2088


class SSv2Template(SSv2Label):
    """Something-Something V2 by templates, "Lifting [something] with [something] on it": one text for twelve videos.

    A text counts as answered by the best of its videos.
    """

    annotation_names: ClassVar = ("ssv2_ret_template_val_small.json",)
    test_texts: ClassVar = 174
