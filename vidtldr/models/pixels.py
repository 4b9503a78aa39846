"""From 8-bit pixels to what a model was trained on."""

from typing import Any

import torch
from timm.models import VisionTransformer
from torch import Tensor, nn


class PixelNorm(nn.Module):
    """Scale 8-bit RGB to [0, 1] and normalise with ImageNet's statistics, as UMT, VideoMAE and ViFi-CLIP all do.

    ViFi-CLIP starts from CLIP's weights but not from CLIP's statistics.
    """

    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(self.MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.STD).view(3, 1, 1), persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        """``[..., 3, h, w]`` uint8, or floats on the same scale of 0 to 255, to float32 of the same shape."""
        return (clips.float() / 255 - self.mean) / self.std


def blank_input(encoder: VisionTransformer, count: int = 1) -> Tensor:
    """Zeros that an encoder with an ``input_shape`` takes, ``[count, *input_shape]``, in the dtype of its weights."""
    known: Any = encoder  # timm's own class has no input_shape
    return known.patch_embed.proj.weight.new_zeros(count, *known.input_shape)
