"""The methods, a file for each kind; importing them registers them, in the order in which ``--help`` lists them."""

# isort: off
from vidtldr.merging.methods.base import Base
from vidtldr.merging.methods.tome import ToMe
from vidtldr.merging.methods.vidtldr import VidTLDR
from vidtldr.merging.methods.pruning import Attentiveness, Pruning, Rollout, SaliencyPruning
from vidtldr.merging.methods.chance import RandomDrop, RandomMerge
from vidtldr.merging.methods.similar_drop import SimilarDrop
from vidtldr.merging.methods.representation_shift import RepresentationShift
from vidtldr.merging.methods.pitome import PiToMe
from vidtldr.merging.methods.run_length import RunLength
from vidtldr.merging.methods.chain import Chain
# isort: on

__all__ = [
    "Attentiveness",
    "Base",
    "Chain",
    "PiToMe",
    "Pruning",
    "RandomDrop",
    "RandomMerge",
    "RepresentationShift",
    "Rollout",
    "RunLength",
    "SaliencyPruning",
    "SimilarDrop",
    "ToMe",
    "VidTLDR",
]
