"""The demo set for question answering as a datamodule: MSVD-QA's files, made on first use."""

from typing import Any, ClassVar

from datamodules.datasets.msvd import MSVDQA
from datamodules.demo.datamodules.prepare import is_training, prepare
from datamodules.demo.sets.questions import QUESTIONS


class DemoVQA(MSVDQA):
    """Questions about short generated videos, in UMT's format for MSVD-QA.

    What is missing in ``root`` is made: the test split takes some seconds; for training, the training split is made
    too, which takes minutes. ``val_annotation: msvd_qa_val.json`` is the one for choosing a checkpoint.

    Args:
        root: Folder of the dataset; created if need be.
        **options: Options of :class:`~datamodules.datasets.msvd.MSVDQA`.
    """

    test_questions: ClassVar[int | None] = None

    def __init__(self, root: str = "data/demo_vqa", **options: Any) -> None:
        super().__init__(root=root, **options)

    def prepare_data(self) -> None:
        """Generate the splits that are needed and missing."""
        prepare(self, QUESTIONS, training=is_training(self))

    def setup(self, stage: str) -> None:
        """Read files, after generating the training split if no trainer was there to tell of it."""
        if stage == "fit":
            prepare(self, QUESTIONS, training=True)
        super().setup(stage)
