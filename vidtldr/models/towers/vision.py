"""SigLIP's image tower (arXiv:2303.15343): a ViT without a class token, read by one attending query."""

from functools import partial

from timm.layers import GELUTanh
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from vidtldr.models.towers.sizes import SigLIPSize


class SigLIPVisionEncoder(VisionTransformer):
    """One feature an image, by attention pooling over its tokens.

    Pixels at the right and lower border that fill no patch are left out, as in the published models of 384 pixels.

    Args:
        size: Widths and depths.
        image_size: Height and width of an image in pixels.
    """

    def __init__(self, size: SigLIPSize, *, image_size: int = 224) -> None:
        super().__init__(
            img_size=image_size,
            patch_size=size.patch_size,
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.num_heads,
            mlp_ratio=(size.mlp_width + 0.5) / size.width,  # timm rounds down
            class_token=False,
            global_pool="map",
            num_classes=0,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            act_layer=GELUTanh if size.tanh_gelu else nn.GELU,
        )
        self.input_shape = (3, image_size, image_size)

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """Encode normalised images ``[b, c, h, w]`` to ``[b, e]``, not of length 1; ValueError for another size."""
        if tuple(images.shape[1:]) != self.input_shape:
            raise ValueError(f"frames of shape {tuple(images.shape[1:])} given, the model takes {self.input_shape}")
        return super().forward(images)
