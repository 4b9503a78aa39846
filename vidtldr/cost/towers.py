"""Towers of the published backbones, by name; nothing is allocated."""

from collections.abc import Mapping
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer

from vidtldr.cost.analytic import Tower
from vidtldr.models.umt import UMT_SIZES, UMTVisionEncoder, umt_size
from vidtldr.models.videomae import VIDEOMAE_SIZES, VideoMAE, videomae_size
from vidtldr.models.vifi_clip import VIFI_CLIP_SIZES, CLIPVisionEncoder, vifi_clip_size

CLIP_SETTINGS = ("size", "num_frames", "image_size", "num_classes")
"""Options of :func:`build_tower`, named as those of the tasks."""


def build_tower(
    backbone: str,
    *,
    size: Mapping[str, Any] | None = None,
    num_frames: int,
    image_size: int = 224,
    num_classes: int = 0,
) -> Tower:
    """The tower of a backbone, as a task would build it.

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
    encoder: VisionTransformer
    with torch.device("meta"):
        if backbone in UMT_SIZES:
            umt = umt_size(backbone, overrides)
            sizes = {key: getattr(umt, key) for key in ("patch_size", "width", "depth", "num_heads")}
            encoder = UMTVisionEncoder(**shape, **sizes)
        elif backbone in VIDEOMAE_SIZES:
            encoder = VideoMAE(videomae_size(backbone, overrides), num_classes=num_classes, **shape)
        elif backbone in VIFI_CLIP_SIZES:
            clip = vifi_clip_size(backbone, overrides)
            sizes = {key: getattr(clip, key) for key in ("patch_size", "width", "depth", "num_heads", "joint_dim")}
            return Tower.of(CLIPVisionEncoder(image_size=image_size, **sizes), num_images=num_frames)
        else:
            known = ", ".join([*UMT_SIZES, *VIDEOMAE_SIZES, *VIFI_CLIP_SIZES])
            raise ValueError(f"unknown backbone {backbone!r}: choose from {known}")
    return Tower.of(encoder)
