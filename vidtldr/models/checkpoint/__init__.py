"""Weights that people have: found by a name, read without running code, loaded so that nothing is left out."""

from vidtldr.models.checkpoint.class_names import order_of_classes, reorder_head
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
    "join_attention_bias",
    "load_exactly",
    "named_in_errors",
    "one_line",
    "order_of_classes",
    "read_state_dict",
    "reorder_head",
    "save_weights",
]
