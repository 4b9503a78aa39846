"""The image towers of pairs among the backbones, so that costs and the bench know them by name."""

from typing import ClassVar

from vidtldr.models.backbone import Backbone, EncoderOptions, register_backbone
from vidtldr.models.towers.sizes import CLIP_SIZES, SIGLIP_SIZES, SigLIPSize
from vidtldr.models.towers.vision import SigLIPVisionEncoder
from vidtldr.models.vifi_clip.backbone import ViFiCLIPBackbone


@register_backbone
class CLIPBackbone(ViFiCLIPBackbone):
    """The image tower of CLIP, which ViFi-CLIP shares."""

    sizes: ClassVar = CLIP_SIZES


@register_backbone
class SigLIPBackbone(Backbone):
    """The image tower of SigLIP with its attention pooling."""

    sizes: ClassVar = SIGLIP_SIZES

    def build(self, size: SigLIPSize, options: EncoderOptions) -> SigLIPVisionEncoder:
        """The image tower."""
        return SigLIPVisionEncoder(size, image_size=options.image_size)

    def images_per_clip(self, num_frames: int) -> int:
        """Every frame."""
        return num_frames
