"""Optimiser and learning rate schedule that all tasks train with."""

import logging
import math
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

_log = logging.getLogger(__name__)
_LAST_FACTOR = 0.01


def nothing_to_learn(module: nn.Module) -> Tensor:
    """The loss of a training batch whose videos are broken: 0, whose gradient is 0 for every trained parameter.

    A step that returned None would be simpler, but other processes wait for these gradients.
    """
    _log.warning("a training batch is skipped: too few of its videos could be read")
    return torch.stack([(value * 0).sum().float() for value in module.parameters() if value.requires_grad]).sum()


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups of a module's parameters: matrices, which decay, and biases, norms and scalars, which do not."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def adamw_with_cosine(
    module: LightningModule,
    groups: list[dict[str, Any]],
    *,
    learning_rate: float,
    warmup_steps: int,
    betas: tuple[float, float] = (0.9, 0.999),
) -> OptimizerLRSchedulerConfig:
    """AdamW with a linear warm-up and then a cosine down to 1 %, over the steps that the Trainer is going to take.

    Args:
        module: Attached to a Trainer.
        groups: Parameter groups; ``lr_scale`` in one is a factor on its learning rate (layer decay).
        learning_rate: Peak.
        warmup_steps: Steps of the warm-up.
        betas: AdamW's.
    """
    groups = [{**group, "lr": learning_rate * group.get("lr_scale", 1.0)} for group in groups]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=betas)
    total = int(module.trainer.estimated_stepping_batches)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        progress = min(1.0, (step - warmup_steps) / max(1, total - warmup_steps))
        return _LAST_FACTOR + (1 - _LAST_FACTOR) * (1 + math.cos(math.pi * progress)) / 2

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
