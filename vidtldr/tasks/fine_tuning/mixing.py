"""Mixup, cutmix and label smoothing of clips, and the training that goes with them."""

from abc import abstractmethod

import torch.nn.functional as F
from timm.data.mixup import Mixup
from torch import Tensor, nn

from datamodules.loading.batches import ClipBatch
from vidtldr.tasks.base import AnyBatch, Data
from vidtldr.tasks.fine_tuning.task import FineTunedTask


class ClipMixer:
    """Turns a batch of clips and labels into mixed clips and soft targets, by timm's ``Mixup``.

    Args:
        num_classes: Classes, k.
        mixup: Alpha of mixup; 0 for none.
        cutmix: Alpha of cutmix, which pastes the same box into all frames of a clip; 0 for none.
        label_smoothing: Share of the target that is spread over all classes.
    """

    def __init__(self, num_classes: int, *, mixup: float = 0.0, cutmix: float = 0.0, label_smoothing: float = 0.0):
        self._num_classes, self._smoothing = num_classes, label_smoothing
        self._mixup: Mixup | None = None
        if mixup > 0 or cutmix > 0:
            self._mixup = Mixup(mixup, cutmix, label_smoothing=label_smoothing, num_classes=num_classes)

    def __call__(self, clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Clips ``[b, t, c, h, w]`` and labels ``[b]`` to clips of the same shape and targets ``[b, k]``.

        Mixing pairs the clips of a batch, so an odd last one stays out of it: such a batch is only smoothed.
        """
        if self._mixup is None or len(clips) % 2:
            one_hot = F.one_hot(labels, self._num_classes).float()
            return clips, one_hot * (1 - self._smoothing) + self._smoothing / self._num_classes
        batch, frames, channels, height, width = clips.shape
        images = clips.reshape(batch, frames * channels, height, width)  # timm mixes images: frames become channels
        images, targets = self._mixup(images.clone(), labels)  # it writes into its input
        return images.view(batch, frames, channels, height, width), targets.float()


class MixedClassesTask(FineTunedTask[Data, AnyBatch]):
    """A task that learns the classes of mixed clips.

    Args:
        mixup: Alpha of mixup; 0 for none.
        cutmix: Alpha of cutmix; 0 for none.
        label_smoothing: Share of the target that is spread over all classes.
    """

    mixer: ClipMixer
    pixel_norm: nn.Module

    @abstractmethod
    def class_logits(self, clips: Tensor) -> Tensor:
        """Logits ``[b, k]`` of normalised clips ``[b, t, c, h, w]``, which may be mixed."""

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Cross-entropy with the mixed, smoothed labels."""
        assert batch.label is not None  # videos of one class each
        clips, targets = self.mixer(self.pixel_norm(batch.clips), batch.label)
        return {"loss": F.cross_entropy(self.class_logits(clips).float(), targets)}
