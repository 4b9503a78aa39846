"""Weights that people have: found by a name, read without running code, loaded so that nothing is left out."""

from vidtldr.models.checkpoint.class_names import follow_classes
from vidtldr.models.checkpoint.containers import Choice, StateDict
from vidtldr.models.checkpoint.found import Checkpoint, Source, find_checkpoint, read_state_dict
from vidtldr.models.checkpoint.loading import (
    join_attention_bias,
    load_exactly,
    named_in_errors,
    save_weights,
)
from vidtldr.models.checkpoint.positions import fit_learned, fit_sinusoid
from vidtldr.models.checkpoint.sentences import one_line

__all__ = [
    "Checkpoint",
    "Choice",
    "Source",
    "StateDict",
    "find_checkpoint",
    "fit_learned",
    "fit_sinusoid",
    "follow_classes",
    "join_attention_bias",
    "load_exactly",
    "named_in_errors",
    "one_line",
    "read_state_dict",
    "save_weights",
]
