"""UMT's vision encoders among the backbones."""

from typing import ClassVar

from vidtldr.models.backbone import Backbone, EncoderOptions, register_backbone
from vidtldr.models.umt.model import UMT_SIZES, UMTSize
from vidtldr.models.umt.vision import UMTVisionEncoder


@register_backbone
class UMTBackbone(Backbone):
    """UMT without its text side, whose sizes do not matter here."""

    sizes: ClassVar = UMT_SIZES

    def build(self, size: UMTSize, options: EncoderOptions) -> UMTVisionEncoder:
        """The vision encoder of a retrieval model."""
        return size.vision_encoder(
            num_frames=options.num_frames, image_size=options.image_size, drop_path=options.drop_path
        )
