"""What an evaluation and its task ask of data; a data set of one's own may be any class that answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from datamodules.annotations.question_records import QuestionRecords
from datamodules.annotations.records import RecognitionRecords, RetrievalRecords
from datamodules.loading.batches import Batch
from datamodules.loading.sharding import Sharing

if TYPE_CHECKING:
    from datamodules.base_to_novel import BaseToNovelDataModule
    from datamodules.question_answering import QuestionAnsweringDataModule
    from datamodules.recognition import RecognitionDataModule
    from datamodules.retrieval import RetrievalDataModule


@dataclass
class Coverage:
    """How much of a gallery was evaluated.

    Attributes:
        total: Videos that the annotation asks for, after ``limit``.
        missing: Names of those without a file, in the order of the annotation.
        broken: Names of those whose file could not be decoded, in the order of the gallery; complete after a full pass.
    """

    total: int = 0
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def evaluated(self) -> int:
        """Videos that were neither missing nor broken."""
        return self.total - len(self.missing) - len(self.broken)


class EvaluationData(Protocol):
    """What every evaluation asks of data, once ``setup("test")`` has run."""

    @property
    def coverage(self) -> Coverage:
        """How much of the gallery was evaluated; complete after a full pass."""

    @property
    def num_clips(self) -> int:
        """Clips that a whole test brings to the model."""

    @property
    def num_kept_clips(self) -> int:
        """Videos that later passes of this process need not decode."""

    @property
    def decoder_version(self) -> str:
        """Library that decodes, with its version."""

    @property
    def resizing(self) -> str:
        """How frames are brought to model size."""

    def counts(self) -> dict[str, int]:
        """What a report tells beside the number of videos; complete after a full pass."""

    def fingerprint(self) -> str:
        """Digest of what a test will read: a run is resumed only on the same."""

    def evaluation_loaders(self, sharing: Sharing) -> Sequence[Iterable[Batch]]:
        """A loader for each pass of the task, of this process's batches."""

    def record_broken(self, loader: int, broken: Sequence[tuple[int, str]]) -> None:
        """Count videos of a loader as left out, once each; raises at the first where the data are strict."""


class RetrievalData(EvaluationData, Protocol):
    """What retrieval asks: a loader of videos and a loader of texts."""

    @property
    def batch_size(self) -> int:
        """Videos of a batch."""

    @property
    def records(self) -> RetrievalRecords:
        """Videos that have a file, their texts, and which belong together."""


class QuestionData(EvaluationData, Protocol):
    """What question answering asks: a loader of videos with their questions."""

    @property
    def records(self) -> QuestionRecords:
        """Videos that have a file, and the questions about them."""

    @property
    def answers(self) -> Sequence[str]:
        """The list that answers are chosen from."""


class RecognitionData(EvaluationData, Protocol):
    """What recognition asks: a loader of views."""

    @property
    def records(self) -> RecognitionRecords:
        """Videos that have a file, and their classes."""

    @property
    def num_classes(self) -> int:
        """Classes of the annotations that were read."""

    @property
    def class_names(self) -> Sequence[str] | None:
        """Name of each class, where the annotations tell."""

    @property
    def num_views(self) -> int:
        """Views of each video in a test."""


class BaseToNovelData(EvaluationData, Protocol):
    """What base-to-novel asks: a loader of videos for each half of the classes, in the order of ``HALVES``."""

    @property
    def records(self) -> Mapping[str, RecognitionRecords]:
        """Of each half, the videos that have a file, and their classes."""

    @property
    def class_names(self) -> Mapping[str, Sequence[str]]:
        """Of each half, the name of each class."""


if TYPE_CHECKING:

    def _keeps_its_contract(
        retrieval: RetrievalDataModule,
        questions: QuestionAnsweringDataModule,
        recognition: RecognitionDataModule,
        base_to_novel: BaseToNovelDataModule,
    ) -> tuple[RetrievalData, QuestionData, RecognitionData, BaseToNovelData]:
        return retrieval, questions, recognition, base_to_novel
