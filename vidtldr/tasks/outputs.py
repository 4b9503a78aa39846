"""The passes of an evaluation: what comes out of a batch is kept, and all of it is scored at the end.

An evaluation is one test loop of Lightning's, whose loaders are the passes. A second way, through ``Trainer.predict``,
would have to stand beside it: ``Trainer.test`` in a script and the validation of a training run the same steps.
"""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from datamodules.contract import EvaluationData
from datamodules.loading.batches import Batch
from datamodules.loading.sharding import Share
from vidtldr.errors import UserError
from vidtldr.results.samples import Sample
from vidtldr.storage.batch_store import BatchOutput, BatchStore
from vidtldr.tasks.passes import LaterPass, Pass, Scores
from vidtldr.tasks.stages import stage

if TYPE_CHECKING:
    from vidtldr.tasks.base import AnyTask

_PATIENCE = 120.0  # seconds until a file that another node wrote must be visible here; network file systems cache

_Items = dict[str, dict[int, int]]  # by pass: items of each batch that is there


class KeptOutputs(Callback):
    """Keeps what comes out of each batch, and scores when all passes are through.

    Every process works on whole batches; then all of them read all outputs and compute the same scores. A task adds
    this callback where a Trainer has none.

    Args:
        store: Where a test keeps its outputs; what is there already is not done again. None is a temporary folder that
            lasts from start to end of an epoch, as in validations.
        data: What is evaluated; None is the Trainer's datamodule.
        shared_folder: Where temporary folders are made; all nodes must see it. None is the system's place.

    Attributes:
        scores: Of the last evaluation.
        samples: What came out for each sample of the last test, on the first process.
    """

    def __init__(
        self, store: BatchStore | None = None, data: EvaluationData | None = None, shared_folder: Path | None = None
    ) -> None:
        super().__init__()
        self.data = data
        self.scores: Scores | None = None
        self.samples: list[Sample] = []
        self._given, self._shared_folder = store, shared_folder
        self._store = store
        self._temporary: str | None = None
        self._kept: Counter[str] = Counter()  # items of each pass, by this process in this run
        self._found: dict[str, int] = {}  # by all processes in earlier runs

    def finished(self, passes: Sequence[Pass], agree: Callable[[_Items], _Items]) -> dict[int, set[int]]:
        """First positions of the batches that an earlier run has done, by pass; to be asked before a pass begins.

        Args:
            passes: Those that are about to begin.
            agree: Gives the first process's value on all processes.
        """
        done = agree({each.name: _items(self._given.outputs(each.name)) for each in passes} if self._given else {})
        self._found.update({name: sum(items.values()) for name, items in done.items()})
        return {number: set(done.get(each.name, ())) for number, each in enumerate(passes)}

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make a temporary store if none was given."""
        if self._given is None or not trainer.testing:
            self._kept.clear()
            prefix = tempfile.mkdtemp(prefix="vidtldr-", dir=self._shared_folder) if trainer.is_global_zero else ""
            self._temporary = trainer.strategy.broadcast(prefix)
            self._store = BatchStore(Path(self._temporary))

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Name the broken videos of a batch at once: they are known before the epoch ends."""
        _task(pl_module).data.record_broken(dataloader_idx, batch.left_out)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep what the step returned; apart from the step, whose time is the encoder's."""
        if batch.first < 0:  # an empty batch, for a process without work
            return
        task = _task(pl_module)
        # Hooks, unlike steps, do not run in the trainer's precision of themselves.
        with trainer.precision_plugin.forward_context():
            assert not isinstance(outputs, Tensor)  # a task's step gives an Outcome
            tensors, notes = task.output(batch, outputs, dataloader_idx)
        notes = {**notes, "broken": [list(video) for video in batch.left_out]}
        self._keep(task.passes[dataloader_idx].name, batch.first, {"index": batch.index, **tensors}, batch.items, notes)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score, and log the scores under their names."""
        self._score(trainer, _task(pl_module), "")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """As in a test, with names that begin with ``val_``."""
        self._score(trainer, _task(pl_module), "val_")

    on_validation_epoch_start = on_test_epoch_start
    on_validation_batch_start = on_test_batch_start
    on_validation_batch_end = on_test_batch_end

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave no temporary files behind."""
        self._discard(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave no temporary files behind."""
        self._discard(trainer)

    def _score(self, trainer: Trainer, task: "AnyTask", prefix: str) -> None:
        num_loaders = len(trainer.num_test_batches if trainer.testing else trainer.num_val_batches)
        outputs = {each.name: self._all_outputs(trainer, each.name) for each in task.scored_passes(num_loaders)}
        for loader, each in enumerate(task.passes[:num_loaders]):
            for output in outputs[each.name]:
                task.data.record_broken(loader, output.notes["broken"])
        if (later := task.later_pass(outputs)) is not None:
            outputs[later.name] = self._run(trainer, later)
        self.scores = task.score(outputs)
        self.samples = self.scores.samples() if trainer.testing and trainer.is_global_zero else []
        task.log_dict({prefix + name: value.float() for name, value in self.scores.metrics.items()})
        trainer.strategy.barrier()  # nobody still reads
        self._discard(trainer)

    def _run(self, trainer: Trainer, later: LaterPass) -> list[BatchOutput]:
        """Do this process's part of a later pass; gives the outputs of all."""
        done = trainer.strategy.broadcast(_items(self._kept_in.outputs(later.name)))
        self._found[later.name] = sum(done.values())
        own = Share(trainer.global_rank, trainer.world_size, done).of(later.num_items, later.batch_size)
        with trainer.precision_plugin.forward_context(), stage(trainer, later.caption, sum(map(len, own))) as advance:
            for batch in filter(None, own):
                outcomes = []
                for item in batch:
                    outcomes.append(later.run(item))
                    advance()
                self._keep(later.name, batch[0], {later.name: torch.stack(outcomes, dim=-1)}, len(batch), {})
        return self._all_outputs(trainer, later.name)

    def _keep(
        self, name: str, number: int, tensors: Mapping[str, Tensor], items: int, notes: Mapping[str, object]
    ) -> None:
        self._kept_in.put(name, number, tensors, {**notes, "items": items})
        self._kept[name] += items

    def _all_outputs(self, trainer: Trainer, name: str) -> list[BatchOutput]:
        """The outputs of all processes, once all are through with a pass.

        Raises:
            UserError: Some are not to be seen from this process.
        """
        if trainer.world_size == 1:
            return self._kept_in.outputs(name)
        kept = torch.tensor(self._kept[name], device=trainer.strategy.root_device)
        expected = int(trainer.strategy.reduce(kept, reduce_op="sum")) + self._found.get(name, 0)
        deadline = time.monotonic() + _PATIENCE
        while True:
            outputs = self._kept_in.outputs(name)
            seen = sum(_items(outputs).values())
            if seen == expected:
                return outputs
            if time.monotonic() > deadline:
                raise UserError(
                    f"process {trainer.global_rank} sees {seen} of {expected} items in {self._kept_in.folder / name}: "
                    "the folder for results must be on a file system that all nodes share"
                )
            time.sleep(0.2)  # polls

    @property
    def _kept_in(self) -> BatchStore:
        if self._store is None:
            raise RuntimeError("no evaluation has started")
        return self._store

    def _discard(self, trainer: Trainer) -> None:
        if self._temporary and trainer.is_global_zero:
            shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary, self._store = None, self._given


def _items(outputs: Sequence[BatchOutput]) -> dict[int, int]:
    return {output.number: output.items for output in outputs}


def _task(module: LightningModule) -> "AnyTask":
    from vidtldr.tasks.base import Task  # late: it imports this module

    if not isinstance(module, Task):
        raise TypeError(f"{type(module).__name__} is no Task, so nothing says what its passes are")
    return module
