"""VideoMAE among the backbones."""

from dataclasses import asdict
from typing import ClassVar, cast

from timm.models.vision_transformer import VisionTransformer

from vidtldr.models.backbone import Classifier, EncoderOptions, register_backbone
from vidtldr.models.checkpoint import Source
from vidtldr.models.videomae.checkpoint import load_videomae
from vidtldr.models.videomae.model import VIDEOMAE_SIZES, VideoMAE, VideoMAESize


@register_backbone
class VideoMAEBackbone(Classifier):
    """VideoMAE with its head."""

    sizes: ClassVar = VIDEOMAE_SIZES

    def build(self, size: VideoMAESize, options: EncoderOptions) -> VideoMAE:
        """A classifier."""
        return VideoMAE(size, **asdict(options))

    def load(self, model: VisionTransformer, path: Source, *, new_head: bool = False) -> list[str]:
        """See :func:`~vidtldr.models.videomae.checkpoint.load_videomae`."""
        return load_videomae(cast(VideoMAE, model), path, new_head=new_head)
