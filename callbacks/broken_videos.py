"""What one process of a training learns about broken videos, all of them should know."""

from collections.abc import Mapping

import torch.distributed
from lightning import Callback, LightningModule, Trainer

from datamodules.base import VideoDataModule


class SharedBrokenVideosCallback(Callback):
    """Tells every process which videos any of them left out.

    In the next epoch a video falls to another process, which would wait for it once more; and the first process, which
    speaks for all, would not name it.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exchange what was left out so far."""
        data = getattr(trainer, "datamodule", None)
        if trainer.world_size == 1 or not isinstance(data, VideoDataModule):
            return
        everywhere: list[Mapping[int, str]] = [{}] * trainer.world_size
        torch.distributed.all_gather_object(everywhere, dict(data.left_out))
        for left_out in everywhere:
            data.leave_out({video: reason for video, reason in left_out.items() if video not in data.left_out})
