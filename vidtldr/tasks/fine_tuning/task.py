"""What all tasks train with: optimiser, learning rate schedule, and what a broken batch teaches."""

import logging
import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from datamodules.clips.shape import ClipShape
from datamodules.loading.batches import ClipBatch
from vidtldr.tasks.base import AnyBatch, Data, Task

_log = logging.getLogger(__name__)
_LAST_FACTOR = 0.01


class FineTunedTask(Task[Data, AnyBatch], ClipShape):
    """A task that can be trained, by AdamW with a linear warm-up and then a cosine down to 1 %.

    Args:
        size: Single sizes that differ from the published ones, such as ``{depth: 6}``.
        drop_path: Stochastic depth of the vision encoder while training.
        learning_rate: Peak learning rate.
        weight_decay: AdamW's, on matrices only.
        warmup_steps: Steps over which the learning rate rises, before it falls along a cosine.
    """

    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)
    """AdamW's."""

    def __init__(self, *, learning_rate: float, weight_decay: float, warmup_steps: int) -> None:
        super().__init__()
        self.save_hyperparameters()  # all of the subclass's, too
        self.learning_rate, self.weight_decay, self.warmup_steps = learning_rate, weight_decay, warmup_steps

    @abstractmethod
    def losses(self, batch: ClipBatch) -> Mapping[str, Tensor]:
        """Losses of a training batch by name, of equal weight; none if too little of the batch could be read."""

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """The sum of the losses."""
        losses = self.losses(batch) if len(batch.index) else {}
        if not losses:
            return nothing_to_learn(self)
        named = {f"train/{name}": loss for name, loss in losses.items()}
        self.log_dict(named, prog_bar=True, batch_size=len(batch.index))
        return torch.stack(list(losses.values())).sum()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What is trained: matrices, which decay, and biases, norms and scalars, which do not.

        ``lr_scale`` in a group is a factor on its learning rate (layer decay).
        """
        trained = [value for value in self.parameters() if value.requires_grad]
        return [
            {"params": [value for value in trained if value.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [value for value in trained if value.ndim <= 1], "weight_decay": 0.0},
        ]

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The schedule spans the steps that the Trainer is going to take."""
        groups = self.parameter_groups()
        groups = [{**group, "lr": self.learning_rate * group.get("lr_scale", 1.0)} for group in groups]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, betas=self.betas)
        total = int(self.trainer.estimated_stepping_batches)

        def factor(step: int) -> float:
            if step < self.warmup_steps:
                return (step + 1) / self.warmup_steps
            progress = min(1.0, (step - self.warmup_steps) / max(1, total - self.warmup_steps))
            return _LAST_FACTOR + (1 - _LAST_FACTOR) * (1 + math.cos(math.pi * progress)) / 2

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def nothing_to_learn(module: nn.Module) -> Tensor:
    """The loss of a training batch whose videos are broken: 0, whose gradient is 0 for every trained parameter.

    A step that returned None would be simpler, but other processes wait for these gradients.
    """
    _log.warning("a training batch is skipped: too few of its videos could be read")
    return torch.stack([(value * 0).sum().float() for value in module.parameters() if value.requires_grad]).sum()
