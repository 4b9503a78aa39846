"""What makes a training that was interrupted end as one that was not."""

import random
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer


class ExactResumeCallback(Callback):
    """Seeds Python, NumPy and torch before each training step, and goes on after a finished epoch with the next.

    Dropout, masks and mixing then depend on nothing but seed and step. Each process has randomness of its own.

    Args:
        seed: Not negative, the same in each process.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the epoch at whose end the checkpoint was written.

        Lightning does so itself if a number of epochs is asked for. If a number of steps is, it opens that epoch once
        more, without batches: the count of epochs, and with it order and validations, would be ahead by one.
        """
        loop: Any = trainer.fit_loop
        epoch = loop.epoch_progress
        if not loop.restarting or epoch.current.processed != epoch.current.ready:
            return
        epoch.current.completed, epoch.total.completed = epoch.current.processed, epoch.total.processed
        loop._restarting = False  # its setter insists on restarting where steps are counted
        loop.epoch_loop.restarting = False
        loop.reset_restart_stage()
        loop.epoch_loop.reset_restart_stage()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed by the number of the step, of the batch within the epoch, and of the process."""
        # With accumulated gradients several batches make one step.
        place = [self.seed, trainer.global_step, batch_idx, trainer.global_rank]
        for_python, for_numpy, for_torch = np.random.SeedSequence(place).generate_state(3).tolist()
        random.seed(for_python)
        np.random.seed(for_numpy)
        torch.manual_seed(for_torch)
