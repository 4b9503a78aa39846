"""UMT's published weights, under their own names, to the names of this project.

Official layout: ``multi_modality`` of the UMT repository. Pre-training files (5M, 17M, 25M) name the text encoder
``text_encoder.bert.*`` and carry parts that retrieval does not use; the official code drops the prefix only in some
modes and otherwise leaves the text encoder untrained without a word. Here it is dropped always.
"""

import re

from torch import Tensor

from vidtldr.models.checkpoint import (
    Source,
    StateDict,
    find_checkpoint,
    fit_sinusoid,
    join_attention_bias,
    load_exactly,
    named_in_errors,
)
from vidtldr.models.umt.model import UMT

_RENAMES = (
    (re.compile(r"^vision_encoder\.encoder\."), "vision_encoder."),
    (re.compile(r"^vision_encoder\.pool_norm\."), "vision_encoder.fc_norm."),
    (re.compile(r"^text_encoder\.bert\."), "text_encoder."),
)
# Present in pre-training files, of no use to retrieval: the CLIP teacher, the heads that imitate it, the word-guessing
# head of masked language modelling.
_UNUSED = re.compile(r"^(clip_teacher|vision_encoder\.clip_decoder|text_encoder\.cls)\.")
_POSITION_IDS = "text_encoder.embeddings.position_ids"
_PATCHES = "vision_encoder.patch_embed.proj.weight"
VISION = "vision_encoder."
"""What the names of the vision encoder begin with."""


def load_umt(model: UMT, source: Source) -> list[str]:
    """Load a UMT file, published or exported by this project, into a retrieval model.

    Patches of one frame are inflated where the model has tubelets of several: a clip that stands still gives the same
    tokens as before (I3D, arXiv:1705.07750, section 3).

    Args:
        model: What to fill.
        source: The checkpoint, by a name that :func:`~vidtldr.models.checkpoint.find_checkpoint` knows.

    Returns:
        The entries of the file that the model has no use for.

    Raises:
        UserError: The file cannot be read, or an entry of file or model is unaccounted for.
    """
    checkpoint = find_checkpoint(source)
    entries = checkpoint.read()
    with named_in_errors(checkpoint):
        state, unused = convert_umt(entries)
    fit_sinusoid(model.vision_encoder, checkpoint, state, VISION)
    # Some versions of the text encoder store this counter and some do not; it is 0, 1, 2, ... in all.
    own = model.state_dict()
    state.setdefault(_POSITION_IDS, own[_POSITION_IDS])
    if _PATCHES in state:
        state[_PATCHES] = _inflated(state[_PATCHES], tubelet_size=own[_PATCHES].shape[2])
    load_exactly(model, state, checkpoint)
    return unused


def _inflated(weight: Tensor, tubelet_size: int) -> Tensor:
    """A patch projection ``[d, c, 1, p, p]`` spread over ``tubelet_size`` frames; any other as it is."""
    if weight.ndim != 5 or weight.shape[2] != 1 or tubelet_size == 1:
        return weight
    return weight.repeat(1, 1, tubelet_size, 1, 1) / tubelet_size


def convert_umt(state: StateDict) -> tuple[StateDict, list[str]]:
    """Rename entries of a UMT file; returns the converted ones and the names of those that are not used.

    Query and value biases of a block become one bias of its joint projection, with zeros for the keys. Files exported
    by this project pass through unchanged.
    """
    converted, unused = {}, []
    for key, value in state.items():
        if _UNUSED.match(key):
            unused.append(key)
            continue
        for pattern, replacement in _RENAMES:
            key = pattern.sub(replacement, key)
        converted[key] = value
    return join_attention_bias(converted), unused
