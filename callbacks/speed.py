"""Measure what a test takes: clips per second and peak memory."""

import time
from collections.abc import Sequence
from typing import Any

from lightning import Callback, LightningModule, Trainer

from datamodules.contract import EvaluationData
from datamodules.loading.batches import ClipBatch
from vidtldr.measuring.memory import PeakMemory
from vidtldr.measuring.speed import ClipClock, Measured, Speed
from vidtldr.measuring.timing import synchronize


class SpeedCallback(Callback):
    """Times the video batches of a test and watches peak memory; the result is :attr:`speed`.

    One callback measures one method: the tests that it sees, one for each seed, are taken together.

    Args:
        data: What is evaluated; None is the Trainer's datamodule.
    """

    def __init__(self, data: EvaluationData | None = None) -> None:
        super().__init__()
        self._data = data
        self.speed: Speed | None = None
        self._measured = Measured()
        self._seconds = self._input_seconds = 0.0
        self._peak_memory_bytes = self._kept_videos = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start the clock before workers begin to decode."""
        self.speed = None
        self._clock = ClipClock(start=time.perf_counter())
        self._memory = PeakMemory(trainer.strategy.root_device)
        kept_videos = getattr(self._data or getattr(trainer, "datamodule", None), "num_kept_clips", 0)
        self._kept_videos = max(self._kept_videos, kept_videos)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Note when a video batch enters the model."""
        if isinstance(batch, ClipBatch):
            synchronize(pl_module.device)
            self._step_start = time.perf_counter()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note when it has left."""
        if isinstance(batch, ClipBatch):
            synchronize(pl_module.device)
            self._clock.add(len(batch.clips), self._step_start, time.perf_counter())

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the measurements of this test and of those before it together."""
        peak_memory_bytes, peak_memory_of = self._memory.peak()
        self._peak_memory_bytes = max(self._peak_memory_bytes, peak_memory_bytes)
        self._measured += self._clock.measured()
        self._seconds += time.perf_counter() - self._clock.start
        self._input_seconds += sum(getattr(loader, "waited_seconds", 0.0) for loader in _loaders(trainer))
        self.speed = Speed(
            encoder_clips_per_second=self._measured.per_second(self._measured.encoder_seconds),
            end_to_end_clips_per_second=self._measured.per_second(self._measured.end_to_end_seconds),
            clips_measured=self._measured.clips,
            peak_memory_bytes=self._peak_memory_bytes,
            peak_memory_of=peak_memory_of,
            seconds=self._seconds,
            input_seconds=self._input_seconds,
            kept_videos=self._kept_videos,
        )


def _loaders(trainer: Trainer) -> Sequence[Any]:
    loaders: Any = getattr(trainer, "test_dataloaders", None) or ()
    return loaders if isinstance(loaders, (list, tuple)) else (loaders,)
