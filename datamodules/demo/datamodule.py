"""The demo set as a datamodule: MSVD's files, made on first use."""

from pathlib import Path
from typing import Any, ClassVar

from datamodules.demo.generate import SPLITS, ensure
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
        splits = ["test"]
        splits += ["val"] if self.val_annotation else []
        splits += ["train"] if self.train_annotation else []
        ensure(Path(self.root), splits)
