"""Vision encoders of all backbones by name, for whoever looks at their cost and not at a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from vidtldr.models.pixels import blank_input
from vidtldr.models.umt import UMT_SIZES, UMTVisionEncoder, umt_size
from vidtldr.models.videomae import VIDEOMAE_SIZES, VideoMAE, videomae_size
from vidtldr.models.vifi_clip import VIFI_CLIP_SIZES, CLIPVisionEncoder, vifi_clip_size

CLIP_SETTINGS = ("size", "num_frames", "image_size", "num_classes")
"""Options of :func:`build_encoder`, named as those of the tasks."""
BACKBONES = (*UMT_SIZES, *VIDEOMAE_SIZES, *VIFI_CLIP_SIZES)


@dataclass(frozen=True)
class ClipEncoder:
    """A vision encoder, and what it takes for one clip.

    Attributes:
        module: With random weights.
        images_per_clip: Entries of a batch that make a clip: 1, or the frames where each is encoded alone.
    """

    module: VisionTransformer
    images_per_clip: int

    def blank_clips(self, num_clips: int) -> Tensor:
        """An input of zeros for some clips, with the dtype and device of the weights."""
        return blank_input(self.module, num_clips * self.images_per_clip)


def build_encoder(
    backbone: str,
    *,
    size: Mapping[str, Any] | None = None,
    num_frames: int,
    image_size: int = 224,
    num_classes: int = 0,
) -> ClipEncoder:
    """The encoder of a backbone, as a task would build it.

    Args:
        backbone: Published size, such as ``umt_b``.
        size: Single sizes that differ from the published ones.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        num_classes: Classes of VideoMAE's head.

    Raises:
        ValueError: The backbone or a size is unknown.
    """
    overrides = dict(size or {})
    shape: dict[str, Any] = {"num_frames": num_frames, "image_size": image_size}
    sizes: dict[str, Any]
    if backbone in UMT_SIZES:
        umt = umt_size(backbone, overrides)
        sizes = {key: getattr(umt, key) for key in ("patch_size", "tubelet_size", "width", "depth", "num_heads")}
        return ClipEncoder(UMTVisionEncoder(**shape, **sizes), 1)
    if backbone in VIDEOMAE_SIZES:
        return ClipEncoder(VideoMAE(videomae_size(backbone, overrides), num_classes=num_classes, **shape), 1)
    if backbone in VIFI_CLIP_SIZES:
        clip = vifi_clip_size(backbone, overrides)
        sizes = {key: getattr(clip, key) for key in ("patch_size", "width", "depth", "num_heads", "joint_dim")}
        return ClipEncoder(CLIPVisionEncoder(image_size=image_size, **sizes), num_frames)
    raise ValueError(f"unknown backbone {backbone!r}: choose from {', '.join(BACKBONES)}")
