"""Callbacks that a test puts into the config of ``train.py``: one writes down what happens, one kills the process."""

import json
import os
import signal
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer


class Diary(Callback):
    """Appends a line of JSON for each training batch.

    Args:
        folder: Gets one file for each process.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._learning_rate = trainer.optimizers[0].param_groups[-1]["lr"]

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parameters = (
            name for name, value in pl_module.named_parameters() if value.requires_grad and value.grad is None
        )
        self._without_gradient = list(parameters)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: dict[str, Any], batch_idx: int
    ) -> None:
        row = {
            "epoch": trainer.fit_loop.epoch_progress.current.processed,
            "batch": batch_idx,
            "step": trainer.global_step,
            "videos": batch.index.tolist(),
            "clips": [sha256(clip.numpy().tobytes()).hexdigest() for clip in batch.clips],
            "learning_rate": self._learning_rate,
            "loss": float(outputs["loss"]),
            "seed": torch.initial_seed(),
            "blocks": type(pl_module.vision_encoder.blocks).__name__,
            "without_gradient": self._without_gradient,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{trainer.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


class KillOnce(Callback):
    """Kills the process with SIGKILL after an optimiser step, unless it did so before.

    Args:
        step: Number of the step, from 1.
        marker: File that says that it did.
    """

    def __init__(self, step: int, marker: str) -> None:
        self.step, self.marker = step, Path(marker)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
