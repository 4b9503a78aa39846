"""Patch embedding and positions of video transformers (UMT, VideoMAE)."""

import math
from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from vidtldr.models.positions import Grid, sinusoid_table, stretch


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
        self.grid_size = Grid(num_frames // tubelet_size, img_size // patch_size, img_size // patch_size)
        self.num_patches = math.prod(self.grid_size)
        kernel = (tubelet_size, patch_size, patch_size)
        self.proj = nn.Conv3d(in_chans, embed_dim, kernel, kernel, bias=bias)

    def forward(self, clips: Tensor) -> Tensor:
        """``[b, c, t, h, w]`` to ``[b, n, d]``; raises ValueError for clips of another shape."""
        if tuple(clips.shape[1:]) != self.input_shape:
            raise ValueError(f"clips of shape {tuple(clips.shape[1:])} given, the model takes {self.input_shape}")
        return self.proj(clips).flatten(2).transpose(1, 2)


class VideoTransformer(VisionTransformer):
    """A ``timm.VisionTransformer`` over tubelets with a fixed sinusoid position table.

    Args:
        num_frames: Frames of a clip.
        tubelet_size: Frames of a tubelet.
        **vit_options: Options of ``timm.VisionTransformer``.

    Attributes:
        made_for: Grid that the position table was made for, before it was stretched to that of the encoder.
    """

    positions: Tensor

    def __init__(self, *, num_frames: int, tubelet_size: int = 1, **vit_options: Any) -> None:
        def embed_layer(**options: Any) -> TubeletEmbed:
            return TubeletEmbed(num_frames=num_frames, tubelet_size=tubelet_size, **options)

        super().__init__(embed_layer=embed_layer, class_token=False, pos_embed="none", **vit_options)
        self.input_shape = self.patch_embed.input_shape
        self.made_for = self.patch_embed.grid_size
        table = sinusoid_table(self.patch_embed.num_patches, self.embed_dim)
        self.register_buffer("positions", table, persistent=False)  # in no checkpoint

    def stretch_positions(self, made_for: Grid) -> None:
        """Make the position table for another grid, that of a training, and stretch it to the encoder's own."""
        table = sinusoid_table(math.prod(made_for), self.embed_dim)
        self.positions.copy_(stretch(table, made_for, self.patch_embed.grid_size))
        self.made_for = made_for

    @property
    def trained_clip(self) -> dict[str, int]:
        """``num_frames`` and ``image_size`` of the clips that the position table was made for."""
        tubelet_size, patch_size, _ = self.patch_embed.proj.kernel_size
        return {"num_frames": self.made_for.time * tubelet_size, "image_size": self.made_for.height * patch_size}

    def _pos_embed(self, x: Tensor) -> Tensor:
        return self.pos_drop(x + self.positions.to(x.dtype))
