"""The demo set for retrieval as a datamodule: MSVD's files, made on first use."""

from typing import Any, ClassVar

from datamodules.demo.generate import RETRIEVAL, SPLITS
from datamodules.demo.prepare import prepare
from datamodules.msvd import MSVD


class Demo(MSVD):
    """Short generated videos in MSVD's own file format, read as MSVD is; made in ``root`` if they are not there yet.

    The test split takes some seconds. With ``train_annotation`` the training split is made too, which takes minutes.

    Args:
        root: Folder of the dataset; created if need be.
        **options: Options of :class:`~datamodules.msvd.MSVD`.
    """

    test_videos: ClassVar = SPLITS["test"].num_videos

    def __init__(self, root: str = "data/demo", **options: Any) -> None:
        super().__init__(root=root, **options)

    def prepare_data(self) -> None:
        """Generate the splits that are needed and missing."""
        prepare(self, RETRIEVAL, training=self.train_annotation is not None)
