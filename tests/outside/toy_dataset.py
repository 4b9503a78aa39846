"""A data set as one would add it from outside: one file, an annotation of its own."""

from pathlib import Path
from typing import ClassVar

from datamodules.annotations.records import RetrievalRecords
from datamodules.retrieval import RetrievalDataModule


class ToyDataset(RetrievalDataModule):
    """Films in ``films``, each described by a line of ``captions.tsv``: its name, a tab, what it shows.

    Args:
        root: Folder of the dataset.
        **options: Options of :class:`~datamodules.retrieval.RetrievalDataModule`.
    """

    annotation_names: ClassVar = ("captions.tsv",)
    video_folders: ClassVar = ("films",)

    def read_records(self, annotation: Path, split: str) -> RetrievalRecords:
        """One query a film."""
        rows = (line.split("\t") for line in annotation.read_text(encoding="utf-8").splitlines())
        return RetrievalRecords.from_captions((name, [text]) for name, text in rows)
