"""The demo set for base-to-novel generalisation as a datamodule: ViFi-CLIP's lists, made on first use."""

from typing import Any, ClassVar

from datamodules.datasets.ucf101 import UCF101BaseToNovel
from datamodules.demo.datamodules.prepare import is_training, prepare
from datamodules.demo.sets.base2novel import BASE_TO_NOVEL, LABEL_FOLDER, LISTS, SPLITS
from vidtldr.metrics.base_to_novel import HALVES


class DemoBaseToNovel(UCF101BaseToNovel):
    """Generated videos of 18 base and 18 novel classes in ViFi-CLIP's layout; made in ``root`` if not there yet.

    A class is the pair of colours of two objects, ``red and blue``; the novel ones are new pairs of known words. The
    test takes some seconds; for training, the list of seed 1 is made too, which takes minutes. ``val_annotation:
    base_dev.txt`` is the list for choosing a checkpoint.

    Args:
        root: Folder of the dataset; created if need be.
        **options: Options of :class:`~datamodules.datasets.ucf101.UCF101BaseToNovel`.
    """

    label_folders: ClassVar = (LABEL_FOLDER,)
    published_videos: ClassVar = {half: SPLITS["test"].num_videos // len(LISTS["test"]) for half in HALVES}

    def __init__(self, root: str = "data/demo_base2novel", **options: Any) -> None:
        super().__init__(root=root, **options)

    def prepare_data(self) -> None:
        """Generate the splits that are needed and missing."""
        prepare(self, BASE_TO_NOVEL, training=is_training(self))

    def setup(self, stage: str) -> None:
        """Read lists and find files, after generating the training split if no trainer was there to tell of it."""
        if stage == "fit":
            prepare(self, BASE_TO_NOVEL, training=True)
        super().setup(stage)
