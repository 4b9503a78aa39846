"""The demo set for retrieval as a datamodule: MSVD's files, made on first use."""

from typing import Any, ClassVar

from datamodules.datasets.msvd import MSVD
from datamodules.demo.datamodules.prepare import prepare
from datamodules.demo.sets.retrieval import RETRIEVAL, SPLITS


class Demo(MSVD):
    """Short generated videos in MSVD's own file format, read as MSVD is; made in ``root`` if they are not there yet.

    The test split takes some seconds. With ``train_annotation`` the training split is made too, which takes minutes.

    Args:
        root: Folder of the dataset; created if need be.
        **options: Options of :class:`~datamodules.datasets.msvd.MSVD`.
    """

    test_videos: ClassVar = SPLITS["test"].num_videos

    def __init__(self, root: str = "data/demo", **options: Any) -> None:
        super().__init__(root=root, **options)

    def prepare_data(self) -> None:
        """Generate the splits that are needed and missing."""
        prepare(self, RETRIEVAL, training=self.train_annotation is not None)
