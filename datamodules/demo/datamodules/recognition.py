"""The demo set for action recognition as a datamodule: UCF101's files, made on first use."""

from typing import Any, ClassVar

from datamodules.datasets.ucf101 import UCF101
from datamodules.demo.datamodules.prepare import is_training, prepare
from datamodules.demo.sets.recognition import RECOGNITION, SPLITS


class DemoRecognition(UCF101):
    """Generated videos of 24 actions in UCF101's own file format; made in ``root`` if they are not there yet.

    A class is an object, told by its colour, and its motion, ``RedMovingRight``, so that no single frame tells it. The
    test split takes some seconds; for training, the training split is made too, which takes minutes. ``val_annotation:
    vallist01.txt`` is the list for choosing a checkpoint.

    Args:
        root: Folder of the dataset; created if need be.
        **options: Options of :class:`~datamodules.datasets.ucf101.UCF101`. Leave ``mirror``
            off: it makes right of left.
    """

    published_videos: ClassVar = {1: SPLITS["test"].num_videos}

    def __init__(self, root: str = "data/demo_recognition", **options: Any) -> None:
        super().__init__(root=root, **options)

    def prepare_data(self) -> None:
        """Generate the splits that are needed and missing."""
        prepare(self, RECOGNITION, training=is_training(self))

    def setup(self, stage: str) -> None:
        """Read lists and find files, after generating the training split if no trainer was there to tell of it."""
        if stage == "fit":
            prepare(self, RECOGNITION, training=True)
        super().setup(stage)
