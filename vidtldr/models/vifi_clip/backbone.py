"""ViFi-CLIP's image towers among the backbones."""

from typing import ClassVar

from vidtldr.models.backbone import Backbone, EncoderOptions, register_backbone
from vidtldr.models.vifi_clip.model import VIFI_CLIP_SIZES, ViFiCLIPSize
from vidtldr.models.vifi_clip.vision import CLIPVisionEncoder


@register_backbone
class ViFiCLIPBackbone(Backbone):
    """The image tower of ViFi-CLIP, which encodes every frame by itself."""

    sizes: ClassVar = VIFI_CLIP_SIZES

    def build(self, size: ViFiCLIPSize, options: EncoderOptions) -> CLIPVisionEncoder:
        """The image tower."""
        return CLIPVisionEncoder(
            image_size=options.image_size,
            patch_size=size.patch_size,
            width=size.width,
            depth=size.depth,
            num_heads=size.num_heads,
            joint_dim=size.joint_dim,
            quick_gelu=size.quick_gelu,
            drop_path=options.drop_path,
        )

    def images_per_clip(self, num_frames: int) -> int:
        """Every frame."""
        return num_frames
