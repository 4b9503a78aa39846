"""Backbones by name: what costs, the bench and the tasks build their encoders from."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from vidtldr.models.backbone import BACKBONES, Backbone, Classifier, ClipEncoder, EncoderOptions
from vidtldr.models.sizes import named_size
from vidtldr.models.towers.backbone import CLIPBackbone, SigLIPBackbone
from vidtldr.models.umt.backbone import UMTBackbone
from vidtldr.models.videomae.backbone import VideoMAEBackbone
from vidtldr.models.vifi_clip.backbone import ViFiCLIPBackbone

CLIP_SETTINGS = ("size", "num_frames", "image_size", "num_classes")
"""Options of :func:`build_encoder`, named as those of the tasks."""
SHIPPED = (UMTBackbone, VideoMAEBackbone, ViFiCLIPBackbone, CLIPBackbone, SigLIPBackbone)
"""The families of this package; importing them has registered them."""


def find_backbone(name: str, overrides: Mapping[str, Any] | None = None) -> tuple[Backbone, Any]:
    """The family that a published size is of, and the size.

    Args:
        name: Published size, such as ``umt_b``; one of a user's own with the module that registers it, such as
            ``my_module.my_size``.
        overrides: Single values of the size that differ from the published ones.

    Raises:
        ValueError: The name or a value is unknown, or the module cannot be imported.
    """
    return _find(name, overrides, lambda family: True)


def find_classifier(name: str, overrides: Mapping[str, Any] | None = None) -> tuple[Classifier, Any]:
    """As :func:`find_backbone`, among those that classify clips."""
    family, size = _find(name, overrides, lambda family: isinstance(family, Classifier))
    return cast(Classifier, family), size


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
        backbone: Published size; see :func:`find_backbone`.
        size: Single sizes that differ from the published ones.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        num_classes: Classes of the head, where there is one.

    Raises:
        ValueError: The backbone or a size is unknown.
    """
    family, of_size = find_backbone(backbone, size)
    options = EncoderOptions(num_frames=num_frames, image_size=image_size, num_classes=num_classes)
    return ClipEncoder(family.build(of_size, options), family.images_per_clip(num_frames))


def _find(name: str, overrides: Mapping[str, Any] | None, fits: Callable[[Backbone], bool]) -> tuple[Backbone, Any]:
    module, _, size = name.rpartition(".")
    if module:
        try:
            importlib.import_module(module)
        except Exception as error:  # a user's module may fail in any way
            raise ValueError(f"cannot import {module!r} for backbone {name!r}: {error}") from error
    known = {key: family for key, family in BACKBONES.items() if fits(family)}
    if size not in known:
        raise ValueError(f"unknown backbone {name!r}: choose from {', '.join(known)}")
    return known[size], named_size(known[size].sizes, size, overrides)
