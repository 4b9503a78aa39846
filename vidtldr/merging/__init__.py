"""Training-free token merging and pruning for models built from transformer blocks. Pure PyTorch."""

from vidtldr.merging.attention.backends import Backend, attention_backend
from vidtldr.merging.blocks import MergeableBlock, Projected
from vidtldr.merging.dropping import drop_lowest, max_droppable
from vidtldr.merging.matching import match, max_mergeable, merge_tokens
from vidtldr.merging.method import LayerView, Method, Reduction
from vidtldr.merging.methods import (
    Attentiveness,
    Base,
    Chain,
    PiToMe,
    Pruning,
    RandomDrop,
    RandomMerge,
    RepresentationShift,
    Rollout,
    RunLength,
    SaliencyPruning,
    SimilarDrop,
    ToMe,
    VidTLDR,
)
from vidtldr.merging.patch import apply, merging, remove
from vidtldr.merging.plans import MergePlan, PairPlan, Plan, PrunePlan
from vidtldr.merging.registry import METHODS, build_method, register
from vidtldr.merging.saliency import attentiveness, drop_background, rollout, saliency, sharpness
from vidtldr.merging.schedule import parse_schedule
from vidtldr.merging.trace import LayerRecord

__all__ = [
    "METHODS",
    "Attentiveness",
    "Backend",
    "Base",
    "Chain",
    "LayerRecord",
    "LayerView",
    "MergePlan",
    "MergeableBlock",
    "Method",
    "PairPlan",
    "PiToMe",
    "Plan",
    "Projected",
    "PrunePlan",
    "Pruning",
    "RandomDrop",
    "RandomMerge",
    "Reduction",
    "RepresentationShift",
    "Rollout",
    "RunLength",
    "SaliencyPruning",
    "SimilarDrop",
    "ToMe",
    "VidTLDR",
    "apply",
    "attention_backend",
    "attentiveness",
    "build_method",
    "drop_background",
    "drop_lowest",
    "match",
    "max_droppable",
    "max_mergeable",
    "merge_tokens",
    "merging",
    "parse_schedule",
    "register",
    "remove",
    "rollout",
    "saliency",
    "sharpness",
]
