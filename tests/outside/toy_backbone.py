"""A backbone of a user's own, in one file outside the package: registered, built, and loaded from its own files."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from timm.models.vision_transformer import VisionTransformer

from vidtldr.models.backbone import Classifier, EncoderOptions, register_backbone
from vidtldr.models.checkpoint import load_exactly, read_state_dict
from vidtldr.models.tubelet import VideoTransformer


@dataclass(frozen=True)
class ToySize:
    """What distinguishes one toy from another."""

    width: int = 16
    depth: int = 3
    num_heads: int = 2


@register_backbone
class Toy(Classifier):
    """A small video transformer with a head."""

    sizes: ClassVar = {"toy_s": ToySize(), "toy_m": ToySize(width=32)}

    def build(self, size: ToySize, options: EncoderOptions) -> VisionTransformer:
        """A classifier."""
        return VideoTransformer(
            num_frames=options.num_frames,
            img_size=options.image_size,
            patch_size=8,
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.num_heads,
            global_pool="avg",
            num_classes=options.num_classes,
            drop_path_rate=options.drop_path,
            drop_rate=options.head_dropout,
        )

    def load(self, model: VisionTransformer, path: str | Path, *, new_head: bool = False) -> list[str]:
        """Entries are called as the model calls them."""
        state = read_state_dict(path)
        if new_head:
            state |= {key: value for key, value in model.state_dict().items() if key.startswith("head.")}
        load_exactly(model, state, str(path))
        return []
