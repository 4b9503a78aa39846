"""The VideoMAE classifier (arXiv:2203.12602), as it is fine-tuned."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from vidtldr.models.sizes import named_size
from vidtldr.models.tubelet import VideoTransformer


@dataclass(frozen=True)
class VideoMAESize:
    """What distinguishes one VideoMAE from another; the defaults are VideoMAE-B's.

    Attributes:
        width: Channels of a token.
        depth: Blocks.
        num_heads: Attention heads.
        patch_size: Height and width of a tubelet in pixels.
        tubelet_size: Frames of a tubelet.
        mlp_ratio: Channels inside the feed-forward part, as a multiple of ``width``.
    """

    width: int = 768
    depth: int = 12
    num_heads: int = 12
    patch_size: int = 16
    tubelet_size: int = 2
    mlp_ratio: float = 4.0


VIDEOMAE_SIZES = {
    "videomae_s": VideoMAESize(width=384, depth=12, num_heads=6),
    "videomae_b": VideoMAESize(),
    "videomae_l": VideoMAESize(width=1024, depth=24, num_heads=16),
    "videomae_h": VideoMAESize(width=1280, depth=32, num_heads=16),
}


def videomae_size(name: str, overrides: dict[str, Any] | None = None) -> VideoMAESize:
    """A published size by name; see :func:`~vidtldr.models.sizes.named_size`."""
    return named_size(VIDEOMAE_SIZES, name, overrides)


class VideoMAE(VideoTransformer):
    """Normalised clips ``[b, c, t, h, w]`` to logits ``[b, num_classes]``.

    The head reads the plain mean over the tokens, also when they have merged. All names are timm's, which are the
    official ones but for the bias of ``attn.qkv``.

    Args:
        size: Widths and depths.
        num_classes: Classes to tell apart.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        drop_path: Rate of stochastic depth at the last block, for training.
        head_dropout: Dropout before the last layer, for training.
    """

    def __init__(
        self,
        size: VideoMAESize,
        *,
        num_classes: int,
        num_frames: int = 16,
        image_size: int = 224,
        drop_path: float = 0.0,
        head_dropout: float = 0.0,
    ) -> None:
        self.num_heads = size.num_heads
        super().__init__(
            num_frames=num_frames,
            tubelet_size=size.tubelet_size,
            img_size=image_size,
            patch_size=size.patch_size,
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.num_heads,
            mlp_ratio=size.mlp_ratio,
            global_pool="avg",
            fc_norm=True,  # of the mean; the tokens themselves have no last norm
            num_classes=num_classes,
            drop_rate=head_dropout,
            drop_path_rate=drop_path,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )
