"""UMT's vision encoder (arXiv:2303.16058)."""

from functools import partial

from torch import Tensor, nn

from vidtldr.models.tubelet import VideoTransformer


class UMTVisionEncoder(VideoTransformer):
    """Tokens and a pooled feature of a clip.

    Args:
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        patch_size: Height and width of a patch in pixels.
        tubelet_size: Frames of a token.
        width: Channels of a token.
        depth: Blocks.
        num_heads: Attention heads.
        pool_norm: Whether the pooled feature has a LayerNorm of its own (retrieval models do, VQA models do not).
        drop_path: Rate of stochastic depth at the last block, for training.
    """

    def __init__(
        self,
        *,
        num_frames: int,
        image_size: int = 224,
        patch_size: int = 16,
        tubelet_size: int = 1,
        width: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        pool_norm: bool = True,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(
            num_frames=num_frames,
            tubelet_size=tubelet_size,
            img_size=image_size,
            patch_size=patch_size,
            embed_dim=width,
            depth=depth,
            num_heads=num_heads,
            global_pool="avg",
            fc_norm=False,  # a norm over all tokens; the pooled feature gets its own
            num_classes=0,
            drop_path_rate=drop_path,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )
        self.fc_norm = nn.LayerNorm(width, eps=1e-6) if pool_norm else nn.Identity()

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Encode normalised clips.

        Args:
            clips: ``[b, c, t, h, w]``.

        Returns:
            Tokens ``[b, n, d]`` and the plain mean of them (also when they have merged), normalised, ``[b, d]``.
        """
        tokens = self.forward_features(clips)
        return tokens, self.fc_norm(tokens.mean(dim=1))
