"""Patch embedding and position table of video transformers (UMT, VideoMAE)."""

from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn


class TubeletEmbed(nn.Module):
    """Cut a clip into tubelets and project each to a token; an ``embed_layer`` for ``timm.VisionTransformer``.

    Tokens run in the order time, row, column.

    Args:
        img_size: Height and width of a frame in pixels.
        patch_size: Height and width of a tubelet in pixels.
        in_chans: Colour channels.
        embed_dim: Width of a token.
        bias: Whether the projection has a bias.
        num_frames: Frames of a clip.
        tubelet_size: Frames of a tubelet.

    Raises:
        ValueError: Frames or pixels do not divide into tubelets.
    """

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 768,
        bias: bool = True,
        *,
        num_frames: int,
        tubelet_size: int = 1,
        **_unused: Any,  # timm hands every embedding its options for dynamic image sizes
    ) -> None:
        super().__init__()
        if img_size % patch_size or num_frames % tubelet_size:
            raise ValueError(
                f"{num_frames} frames of {img_size} px do not divide into tubelets of "
                f"{tubelet_size} frames x {patch_size} px"
            )
        self.input_shape = (in_chans, num_frames, img_size, img_size)
        self.grid_size = (num_frames // tubelet_size, img_size // patch_size, img_size // patch_size)
        self.num_patches = self.grid_size[0] * self.grid_size[1] * self.grid_size[2]
        kernel = (tubelet_size, patch_size, patch_size)
        self.proj = nn.Conv3d(in_chans, embed_dim, kernel, kernel, bias=bias)

    def forward(self, clips: Tensor) -> Tensor:
        """``[b, c, t, h, w]`` to ``[b, n, d]``; raises ValueError for clips of another shape."""
        if tuple(clips.shape[1:]) != self.input_shape:
            raise ValueError(f"clips of shape {tuple(clips.shape[1:])} given, the model takes {self.input_shape}")
        return self.proj(clips).flatten(2).transpose(1, 2)


def sinusoid_table(num_positions: int, width: int) -> Tensor:
    """Sine-cosine table over the flat token index, ``[1, num_positions, width]``, float32.

    Even channels hold sines, odd ones cosines, with exponent ``2 * (j // 2) / width``. Computed in float64 because
    angles go into the thousands. (UMT and VideoMAE, ``get_sinusoid_encoding_table``.)
    """
    position = torch.arange(num_positions, dtype=torch.float64).unsqueeze(1)
    exponent = torch.arange(width, dtype=torch.float64).div(2, rounding_mode="floor") * 2 / width
    angle = position / 10000.0**exponent
    angle[:, 0::2] = angle[:, 0::2].sin()
    angle[:, 1::2] = angle[:, 1::2].cos()
    return angle.unsqueeze(0).float()


def interpolate_in_time(table: Tensor, from_frames: int, to_frames: int) -> Tensor:
    """Stretch a position table ``[1, from_frames * s, d]`` linearly along time to ``[1, to_frames * s, d]``."""
    if from_frames == to_frames:
        return table
    _, num_positions, width = table.shape
    per_frame = num_positions // from_frames
    table = table.reshape(from_frames, per_frame * width).t().unsqueeze(0)  # time last
    table = nn.functional.interpolate(table, size=to_frames, mode="linear", align_corners=False)
    return table.squeeze(0).t().reshape(1, to_frames * per_frame, width)


class VideoTransformer(VisionTransformer):
    """A ``timm.VisionTransformer`` over tubelets with a fixed sinusoid position table.

    Args:
        num_frames: Frames of a clip.
        tubelet_size: Frames of a tubelet.
        checkpoint_frames: Frames that the position table is built for before it is stretched to ``num_frames``; by
            default the table is built for ``num_frames``, as in every released setting.
        **vit_options: Options of ``timm.VisionTransformer``.
    """

    positions: Tensor

    def __init__(
        self, *, num_frames: int, tubelet_size: int = 1, checkpoint_frames: int | None = None, **vit_options: Any
    ) -> None:
        def embed_layer(**options: Any) -> TubeletEmbed:
            return TubeletEmbed(num_frames=num_frames, tubelet_size=tubelet_size, **options)

        super().__init__(embed_layer=embed_layer, class_token=False, pos_embed="none", **vit_options)
        self.input_shape = self.patch_embed.input_shape
        steps = num_frames // tubelet_size
        table_steps = (checkpoint_frames or num_frames) // tubelet_size
        per_step = self.patch_embed.num_patches // steps
        table = interpolate_in_time(sinusoid_table(table_steps * per_step, self.embed_dim), table_steps, steps)
        self.register_buffer("positions", table, persistent=False)  # in no checkpoint

    def _pos_embed(self, x: Tensor) -> Tensor:
        return self.pos_drop(x + self.positions.to(x.dtype))
