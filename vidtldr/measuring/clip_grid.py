"""Where the tokens of a clip stand: from a ViT's flat order to steps in time, rows and columns, and its input."""

from dataclasses import dataclass
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from vidtldr.models.pixels import PixelNorm


@dataclass(frozen=True)
class ClipGrid:
    """The patches of a clip.

    Attributes:
        steps: Patches in time: frames, or tubelets of several frames.
        rows: Patches from top to bottom.
        columns: Patches from left to right.
        images_per_clip: Entries of a batch that make a clip: 1, or ``steps`` where each frame is encoded alone.
    """

    steps: int
    rows: int
    columns: int
    images_per_clip: int = 1

    @classmethod
    def of(cls, encoder: VisionTransformer, num_frames: int) -> "ClipGrid":
        """The grid of an encoder for clips of so many frames: its patch embedding tells whether time is in it."""
        *steps, rows, columns = encoder.patch_embed.grid_size
        return cls(steps[0], rows, columns) if steps else cls(num_frames, rows, columns, images_per_clip=num_frames)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(steps, rows, columns)``, t x h x w below."""
        return self.steps, self.rows, self.columns

    def locate(self, place: tuple[int, int, int]) -> tuple[int, int]:
        """The image of the clip that a patch lies in, 0 where there is one, and its position among that one's patches.

        Args:
            place: Step, row and column.

        Raises:
            ValueError: There is no such patch.
        """
        if not all(0 <= at < size for at, size in zip(place, self.shape, strict=True)):
            shape = " x ".join(map(str, self.shape))
            raise ValueError(
                f"no patch {','.join(map(str, place))}: a clip has {shape} (steps, rows, columns), from 0 on"
            )
        step, row, column = place
        image, step = (step, 0) if self.images_per_clip > 1 else (0, step)
        return image, (step * self.rows + row) * self.columns + column

    def unfold(self, patches: Tensor) -> Tensor:
        """What each patch has, ``[b * images_per_clip, n]`` without prefix tokens, as ``[b, t, h, w]``."""
        return patches.reshape(-1, *self.shape)

    def unfold_owner(self, owner: Tensor, num_tokens: int) -> Tensor:
        """The token that stands for each patch, as :meth:`unfold` gives it; distinct over the images of a clip.

        Args:
            owner: Of each image, ``[b * images_per_clip, n]``, int64, without prefix tokens; -1 for none.
            num_tokens: Tokens of an image.
        """
        image = torch.arange(len(owner), device=owner.device).remainder(self.images_per_clip).unsqueeze(1)
        return self.unfold((owner + image * num_tokens).masked_fill(owner < 0, -1))


def encoder_input(encoder: VisionTransformer, clips: Tensor) -> Tensor:
    """8-bit clips as an encoder takes them.

    Args:
        encoder: Has an ``input_shape``: of clips ``(c, t, h, w)``, or of single frames ``(c, h, w)``.
        clips: ``[b, t, c, h, w]``, uint8 RGB, in model size.

    Returns:
        Normalised, ``[b, c, t, h, w]`` or ``[b * t, c, h, w]``, on the device and in the dtype of the weights.
    """
    known: Any = encoder  # timm's own class has no input_shape
    weight = encoder.patch_embed.proj.weight
    normed = PixelNorm().to(weight.device)(clips.to(weight.device)).to(weight.dtype)
    return normed.transpose(1, 2) if len(known.input_shape) == 4 else torch.flatten(normed, 0, 1)
