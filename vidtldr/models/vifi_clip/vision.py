"""CLIP's image tower (arXiv:2103.00020), which ViFi-CLIP applies to every frame by itself."""

from functools import partial

from timm.layers import QuickGELU
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn


class CLIPVisionEncoder(VisionTransformer):
    """One feature an image, read off the class token.

    Args:
        image_size: Height and width of an image in pixels.
        patch_size: Height and width of a patch in pixels.
        width: Channels of a token.
        depth: Blocks.
        num_heads: Attention heads.
        joint_dim: Channels of a feature.
        quick_gelu: OpenAI's quick GELU instead of the exact one.
        drop_path: Rate of stochastic depth at the last block, for training.

    Raises:
        ValueError: The image does not divide into patches.
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        patch_size: int = 16,
        width: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        joint_dim: int = 512,
        quick_gelu: bool = True,
        drop_path: float = 0.0,
    ) -> None:
        if image_size % patch_size:
            raise ValueError(f"images of {image_size} px do not divide into patches of {patch_size} px")
        super().__init__(
            img_size=image_size,
            patch_size=patch_size,
            embed_dim=width,
            depth=depth,
            num_heads=num_heads,
            num_classes=joint_dim,
            global_pool="token",
            pre_norm=True,  # also leaves out the bias of the patch embedding
            fc_norm=True,  # the last norm sees the class token alone, as in CLIP
            drop_path_rate=drop_path,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
            act_layer=QuickGELU if quick_gelu else nn.GELU,
        )
        self.head = nn.Linear(width, joint_dim, bias=False)
        nn.init.normal_(self.head.weight, std=width**-0.5)
        self.input_shape = (3, image_size, image_size)

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """Encode normalised images ``[b, c, h, w]`` to ``[b, e]``, not of length 1; ValueError for another size."""
        if tuple(images.shape[1:]) != self.input_shape:
            raise ValueError(f"frames of shape {tuple(images.shape[1:])} given, the model takes {self.input_shape}")
        return super().forward(images)
