"""Progress of a training where there is no terminal to draw on."""

import sys
import time
from typing import Any, TextIO

from lightning import Callback, LightningModule, Trainer

from callbacks.progress import clock


class TrainingProgressCallback(Callback):
    """One line now and then: step, loss, speed, time left; and the metrics of each validation.

    Args:
        stream: Where to write; None means standard error.
        every_seconds: Time between two lines.
    """

    def __init__(self, stream: TextIO | None = None, every_seconds: float = 10.0) -> None:
        super().__init__()
        self._stream, self._every_seconds = stream, every_seconds

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._first_step = trainer.global_step
        self._began = self._said = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say how far it is, if it is time."""
        now = time.monotonic()
        if now - self._said < self._every_seconds:
            return
        self._said = now
        total = int(trainer.estimated_stepping_batches)
        rate = (trainer.global_step - self._first_step) / (now - self._began)
        left = f", {clock((total - trainer.global_step) / rate)} left" if rate and total > 0 else ""
        where = f"epoch {trainer.current_epoch}, step {trainer.global_step} of {total}"
        self._say(trainer, f"{where}: loss {float(outputs['loss']):.3f}, {rate:.2g} steps/s{left}")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what came out."""
        if trainer.sanity_checking:
            return
        metrics = {key: value for key, value in trainer.callback_metrics.items() if key.startswith("val_")}
        shown = ", ".join(f"{key} {float(value):.1f}" for key, value in metrics.items() if "dual" not in key)
        self._say(trainer, f"epoch {trainer.current_epoch}, validation: {shown}")

    def _say(self, trainer: Trainer, line: str) -> None:
        if not trainer.is_global_zero:
            return
        print(line, file=self._stream or sys.stderr, flush=True)
