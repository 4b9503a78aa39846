"""Towers of the published backbones, by name; nothing is allocated."""

from typing import Any

import torch

from vidtldr.measuring.flops_analytic import Tower
from vidtldr.models.registry import build_encoder


def build_tower(backbone: str, **settings: Any) -> Tower:
    """The tower of a backbone, as a task would build it.

    Args:
        backbone: Published size, such as ``umt_b``.
        **settings: Options of :func:`~vidtldr.models.registry.build_encoder`.

    Raises:
        ValueError: The backbone or a size is unknown.
    """
    with torch.device("meta"):
        encoder = build_encoder(backbone, **settings)
    return Tower.of(encoder.module, num_images=encoder.images_per_clip)
