"""Tasks whose evaluation leaves the outcome of each batch on disk and scores once all are there."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from datamodules.loading.batches import Batch, ClipBatch
from vidtldr.errors import UserError
from vidtldr.results.samples import Sample
from vidtldr.storage.batch_store import Unit, WorkStore

_PATIENCE = 120.0  # seconds until a file that another node wrote must be visible here; network file systems cache


class UnitTask(LightningModule):
    """What the evaluations of all tasks share.

    Every process encodes whole batches and keeps what came out in a :class:`WorkStore`; then all of them read all of it
    and compute the same scores. Without a store of the caller's, a temporary one lasts from start to end of the epoch.

    Attributes:
        work: Where an evaluation keeps its units; what is there already is not done again.
        work_root: Where temporary stores are made; must be seen by all nodes. None is the system's place.
        samples: What came out for each sample of the last test, on the first process.
    """

    work: WorkStore | None = None
    work_root: Path | None = None

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[Sample] = []
        self._store: WorkStore | None = None
        self._temporary: str | None = None
        self._items_kept: Counter[str] = Counter()  # by this process, in this run
        self._items_found: Counter[str] = Counter()  # by all processes, in earlier runs

    @property
    def loader_stages(self) -> tuple[str, ...]:
        """What is done with the batches of each test loader: names for folders."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Find out which batches are done; runs before the loaders are made."""
        self._items_found.clear()
        if stage != "test" or self.work is None:
            return
        found = self._agree({stage: _items(self.work.units(stage)) for stage in self.loader_stages})
        self._items_found.update({stage: sum(units.values()) for stage, units in found.items()})
        datamodule: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        datamodule.finished = {loader: set(found[stage]) for loader, stage in enumerate(self.loader_stages)}

    # Validation runs as a test does; a task overrides the hooks of the test.

    def on_test_epoch_start(self) -> None:
        """Begin."""
        self.start_units()

    def on_test_batch_end(self, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep what the step returned; apart from the step, whose time is the encoder's."""
        self.keep_batch(self.loader_stages[dataloader_idx], batch, outputs)

    def on_validation_epoch_start(self) -> None:
        """As in a test."""
        self.on_test_epoch_start()

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Any:
        """As in a test."""
        return self.test_step(batch, batch_idx, dataloader_idx)

    def on_validation_batch_end(self, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """As in a test."""
        self.on_test_batch_end(outputs, batch, batch_idx, dataloader_idx)

    def start_units(self) -> None:
        """Begin an epoch of an evaluation."""
        self._items_kept.clear()
        self._store = self.work if self.trainer.testing else None
        if self._store is None:
            folder = tempfile.mkdtemp(prefix="vidtldr-", dir=self.work_root) if self.trainer.is_global_zero else ""
            self._temporary = self._agree(folder)
            self._store = WorkStore(Path(self._temporary))

    def keep_batch(self, stage: str, batch: Batch, tensors: Mapping[str, Tensor] | None, **notes: Any) -> None:
        """Keep what came out of a batch.

        Args:
            stage: Which stage of the evaluation it belongs to.
            batch: Where it came from; an empty one leaves nothing.
            tensors: What came out; None if every video of the batch was broken.
            notes: What else to keep, as JSON can hold it.
        """
        if batch.first >= 0:
            content = {"index": batch.index} | dict(tensors or {})
            notes["broken"] = [list(video) for video in batch.broken] if isinstance(batch, ClipBatch) else []
            self.keep_unit(stage, batch.first, content, items=batch.items, **notes)

    def keep_unit(self, stage: str, number: int, tensors: Mapping[str, Tensor], *, items: int, **notes: Any) -> None:
        """Keep a unit that is no batch; ``items`` is how many of the things that the stage counts it holds."""
        self.store.put(stage, number, tensors, notes | {"items": items})
        self._items_kept[stage] += items

    def found_units(self, stage: str) -> set[int]:
        """Units of a stage without a loader that are done, the same for all processes; counts them as found."""
        found = self._agree(_items(self.store.units(stage)))
        self._items_found[stage] = sum(found.values())
        return set(found)

    def all_units(self, stage: str) -> list[Unit]:
        """The units of all processes, once all are through with a stage.

        Raises:
            UserError: Some are not to be seen from this process.
        """
        if self.trainer.world_size == 1:
            return self.store.units(stage)
        kept = torch.tensor(self._items_kept[stage], device=self.device)
        expected = int(self.trainer.strategy.reduce(kept, reduce_op="sum")) + self._items_found[stage]
        return self._wait_for(stage, expected)

    def count_broken(self, loader: int, units: Sequence[Unit]) -> None:
        """Tell the datamodule which videos other processes and earlier runs could not read."""
        count = getattr(self.trainer.datamodule, "count_broken", None)  # type: ignore[attr-defined]
        for unit in units:
            for position, reason in unit.notes["broken"]:
                if count is not None:
                    count(loader, position, reason)

    def end_units(self) -> None:
        """End the epoch: a temporary store is removed once no process needs it."""
        self.trainer.strategy.barrier()
        self._discard()

    @property
    def store(self) -> WorkStore:
        """Where the units of this epoch are."""
        if self._store is None:
            raise RuntimeError("no evaluation has started")
        return self._store

    def on_exception(self, exception: BaseException) -> None:
        """Leave no temporary files behind."""
        self._discard()

    def teardown(self, stage: str) -> None:
        """Leave no temporary files behind."""
        self._discard()

    def _discard(self) -> None:
        if self._temporary and self.trainer.is_global_zero:
            shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary = self._store = None

    def _agree(self, value: Any) -> Any:
        """The first process's value, on all."""
        return self.trainer.strategy.broadcast(value)

    def _wait_for(self, stage: str, expected: int) -> list[Unit]:
        deadline = time.monotonic() + _PATIENCE
        while True:
            units = self.store.units(stage)
            seen = sum(_items(units).values())
            if seen == expected:
                return units
            if time.monotonic() > deadline:
                raise UserError(
                    f"process {self.global_rank} sees {seen} of {expected} items in {self.store.folder / stage}: "
                    "the folder for results must be on a file system that all nodes share"
                )
            time.sleep(0.2)


def _items(units: Sequence[Unit]) -> dict[int, int]:
    return {unit.number: unit.notes["items"] for unit in units}
