"""What an evaluation asks of a task."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from lightning import Callback, LightningModule
from timm.models import VisionTransformer
from torch import Tensor, nn

from datamodules.contract import EvaluationData
from datamodules.loading.batches import Batch
from vidtldr.errors import UserError
from vidtldr.models.checkpoint import Checkpoint, Source, save_weights
from vidtldr.models.pixels import blank_input
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample
from vidtldr.results.score_tables import ScoreTable
from vidtldr.tasks.outputs import KeptOutputs
from vidtldr.tasks.passes import LaterPass, Outputs, Pass, Scores

_log = logging.getLogger(__name__)

Data = TypeVar("Data", bound=EvaluationData)
"""What a task asks of its data beside what an evaluation does."""

AnyBatch = TypeVar("AnyBatch", bound=Batch)
"""What its loaders bring."""

Outcome = Mapping[str, Tensor] | None
"""What a step returns; None if every video of the batch was broken."""


class Task(LightningModule, ABC, Generic[Data, AnyBatch]):
    """A model, what it is asked to do, and how that is scored.

    A test runs the passes, one for each loader, keeps what :meth:`output` makes of each batch, and hands all of it to
    :meth:`score`. Validation inside a training does the same. See :class:`~vidtldr.tasks.outputs.KeptOutputs`.

    Attributes:
        model: The network; its weights are what a checkpoint holds.
        monitor: The score of a validation that chooses the best checkpoint.
        num_seeds: Checkpoints that are averaged over.
        checkpoint_sha256: Hash of the weight file, or one for each seed; None for random weights.
    """

    model: nn.Module
    monitor: str
    num_seeds: int = 1
    checkpoint_sha256: str | list[str] | None = None

    @property
    @abstractmethod
    def passes(self) -> tuple[Pass, ...]:
        """One for each loader of a test, in their order."""

    @property
    @abstractmethod
    def score_tables(self) -> tuple[ScoreTable, ...]:
        """How the scores are shown, the headline first."""

    @property
    @abstractmethod
    def score_note(self) -> str:
        """What the scores are, in a sentence."""

    @abstractmethod
    def load_weights(self, path: Source) -> list[str]:
        """Load a checkpoint into the model; returns the entries that the task does not use."""

    @abstractmethod
    def test_step(self, batch: AnyBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """What the model makes of a batch; its time is the encoder's."""

    @abstractmethod
    def score(self, outputs: Outputs) -> Scores:
        """The scores of everything that the passes left; the same on every process, and nothing is changed by it.

        Raises:
            UserError: Nothing is left to evaluate.
        """

    @staticmethod
    @abstractmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to the compared score."""

    @property
    def vision_encoder(self) -> VisionTransformer:
        """The ViT that token merging is put on: that of the model, or all of it."""
        return cast(VisionTransformer, getattr(self.model, "vision_encoder", self.model))

    def example_clip(self) -> Tensor:
        """A blank normalised clip to count FLOPs with, as the vision encoder takes it."""
        return blank_input(self.vision_encoder)

    def export_weights(self, checkpoint: str | Path, path: str | Path) -> None:
        """Write the model's weights of a training checkpoint as safetensors, to be given as ``checkpoint`` later."""
        self.load_weights(checkpoint)
        save_weights(self.model, path)

    def use_seed(self, seed: int) -> None:
        """Take the weights of one seed, from 0."""

    def output(
        self, batch: AnyBatch, outcome: Outcome, dataloader_idx: int
    ) -> tuple[Mapping[str, Tensor], Mapping[str, object]]:
        """What is kept of a batch: tensors, and notes that JSON can hold."""
        return outcome or {}, {}

    def later_pass(self, outputs: Outputs) -> LaterPass | None:
        """A pass over what the loaders' passes left, if there is one."""
        return None

    def scored_passes(self, num_loaders: int) -> tuple[Pass, ...]:
        """The passes whose outputs are scored after an evaluation of so many loaders."""
        return self.passes[:num_loaders]

    @property
    def data(self) -> Data:
        """What is evaluated.

        Raises:
            UserError: The Trainer was given loaders and no datamodule.
        """
        callback = _kept_outputs(self.trainer.callbacks)  # type: ignore[attr-defined]
        data = callback.data if callback and callback.data else getattr(self.trainer, "datamodule", None)
        if data is None:
            raise UserError(f"{type(self).__name__} needs a datamodule: Trainer.test(task, datamodule=data)")
        return cast(Data, data)

    def configure_callbacks(self) -> list[Callback]:
        """Keep and score outputs, where the Trainer has nothing that does."""
        return [] if _kept_outputs(self.trainer.callbacks) else [KeptOutputs()]  # type: ignore[attr-defined]

    def validation_step(self, batch: AnyBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """As in a test."""
        return self.test_step(batch, batch_idx, dataloader_idx)

    def teardown(self, stage: str) -> None:
        """Forget the data, which Lightning would keep for a later test that is given loaders alone."""
        self.trainer.datamodule = None  # type: ignore[attr-defined]

    def _start_from(self, checkpoint: Checkpoint | None, **options: bool) -> None:
        """Load the weights that a config names, if it names any; with options of :meth:`load_weights`."""
        if checkpoint is not None:
            self._load_named(checkpoint, **options)
            self.checkpoint_sha256 = checkpoint.sha256()

    def _load_named(self, checkpoint: Checkpoint, **options: bool) -> None:
        unused = self.load_weights(checkpoint, **options)
        _log.info("%s loaded; %d entries that this task does not use left out", checkpoint, len(unused))


AnyTask = Task[Any, Any]
"""A task of whatever kind, for what works with all."""


def _kept_outputs(callbacks: Sequence[Callback]) -> KeptOutputs | None:
    return next((callback for callback in callbacks if isinstance(callback, KeptOutputs)), None)
