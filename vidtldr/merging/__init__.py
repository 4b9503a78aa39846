"""Training-free token merging for any model built from timm blocks. Pure PyTorch."""

from vidtldr.merging.matching import MergePlan, match, max_mergeable, merge_tokens
from vidtldr.merging.methods import METHODS, Base, Method, ToMe, VidTLDR, build_method
from vidtldr.merging.patch import LayerRecord, apply, merging, remove
from vidtldr.merging.saliency import drop_background, saliency, sharpness
from vidtldr.merging.schedule import parse_schedule

__all__ = [
    "METHODS",
    "Base",
    "LayerRecord",
    "MergePlan",
    "Method",
    "ToMe",
    "VidTLDR",
    "apply",
    "build_method",
    "drop_background",
    "match",
    "max_mergeable",
    "merge_tokens",
    "merging",
    "parse_schedule",
    "remove",
    "saliency",
    "sharpness",
]
