"""The methods, a file for each kind; importing them registers them, in the order in which ``--help`` lists them."""

# isort: off
from vidtldr.merging.methods.base import Base
from vidtldr.merging.methods.tome import ToMe
from vidtldr.merging.methods.vidtldr import VidTLDR
from vidtldr.merging.methods.pruning import Attentiveness, Pruning, Rollout, SaliencyPruning
# isort: on

__all__ = ["Attentiveness", "Base", "Pruning", "Rollout", "SaliencyPruning", "ToMe", "VidTLDR"]
