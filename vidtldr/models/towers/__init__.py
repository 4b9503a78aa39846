"""Pairs of towers, one for videos and one for texts: CLIP, SigLIP, SigLIP 2, and whatever open_clip has of them."""

from vidtldr.models.towers.pair import CLIPPair, SigLIPPair, TowerPair, build_pair, mean_of_frames
from vidtldr.models.towers.setup import PairPixelNorm, PairSetup, find_pair, load_pair
from vidtldr.models.towers.sizes import SigLIPSize

__all__ = [
    "CLIPPair",
    "PairPixelNorm",
    "PairSetup",
    "SigLIPPair",
    "SigLIPSize",
    "TowerPair",
    "build_pair",
    "find_pair",
    "load_pair",
    "mean_of_frames",
]
