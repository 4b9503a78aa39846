"""What an evaluation asks of data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from datamodules.loading.batches import Batch
from datamodules.loading.sharding import Sharing


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
    """Data that are set up for a test.

    Attributes:
        coverage: How much was evaluated so far.
        batch_size: Items of a batch.
    """

    coverage: Coverage
    batch_size: int

    @property
    def num_kept_clips(self) -> int:
        """Videos that need no decoding any more."""

    @property
    def decoder_version(self) -> str:
        """Library that decodes, with its version."""

    @property
    def resizing(self) -> str:
        """How frames come to model size, in a few words."""

    def evaluation_loaders(self, sharing: Sharing) -> Sequence[Iterable[Batch]]:
        """A loader for each pass of the task, of this process's batches."""

    def counts(self) -> dict[str, int]:
        """What a report tells beside the number of videos."""

    def fingerprint(self) -> str:
        """Digest of all that will be read."""

    def record_broken(self, loader: int, broken: Sequence[tuple[int, str]]) -> None:
        """Count videos as left out, once each; raises at the first where the data are strict."""
