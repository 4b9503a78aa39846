"""UMT's published weights for question answering, and files that question answering is fine-tuned from.

A pre-training or retrieval file has no answer decoder. UMT makes one of its fusion layers: text layer ``fusion_layer +
j`` becomes decoder layer ``j``, and the embeddings and the word-guessing head are copied.
"""

import logging
import re

import torch

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import (
    Source,
    StateDict,
    find_checkpoint,
    fit_sinusoid,
    load_exactly,
    named_in_errors,
)
from vidtldr.models.umt.checkpoint import VISION, convert_umt
from vidtldr.models.umt.vqa import UMTVQA

_log = logging.getLogger(__name__)

_DECODER = "text_decoder."
_HEAD = _DECODER + "head."
_RETRIEVAL_PARTS = re.compile(r"^(temp$|(vision_encoder\.fc_norm|vision_proj|text_proj|itm_head)\.)")
_HEAD_NAMES = {
    "text_decoder.cls.predictions.transform.dense.": _HEAD + "transform.0.",
    "text_decoder.cls.predictions.transform.LayerNorm.": _HEAD + "transform.2.",
    "text_decoder.cls.predictions.bias": _HEAD + "bias",
}
# Stored twice by the official code, which ties them.
_TIED = {
    "text_decoder.cls.predictions.decoder.weight": "text_decoder.bert.embeddings.word_embeddings.weight",
    "text_decoder.cls.predictions.decoder.bias": _HEAD + "bias",
}
_POSITION_IDS = ("text_encoder.embeddings.position_ids", "text_decoder.bert.embeddings.position_ids")
_ENCODER_LAYER = re.compile(r"^encoder\.layer\.(\d+)\.(.*)")


def load_umt_vqa(model: UMTVQA, source: Source, *, new_decoder: bool = False) -> list[str]:
    """Load a UMT file, published or exported by this project, into a question answering model.

    Args:
        model: What to fill.
        source: The checkpoint, by a name that :func:`~vidtldr.models.checkpoint.find_checkpoint` knows.
        new_decoder: Make the answer decoder of the fusion layers, as UMT's fine-tuning begins; a word-guessing head
            that the file lacks starts from random weights, with a warning.

    Returns:
        The entries of the file that the model has no use for.

    Raises:
        UserError: The file cannot be read, has no answer decoder, or an entry of file or model is unaccounted for.
    """
    checkpoint = find_checkpoint(source)
    state = checkpoint.read()
    if not new_decoder and not any(key.startswith(_DECODER) for key in state):
        raise UserError(
            f"checkpoint '{checkpoint}' has no answer decoder: it is a pre-training or retrieval file, to be "
            "fine-tuned with --model.new_decoder true"
        )
    with named_in_errors(checkpoint):
        converted, unused = convert_umt_vqa(state, model.text_encoder.config.fusion_layer, new_decoder=new_decoder)
    fit_sinusoid(model.vision_encoder, checkpoint, converted, VISION)
    own = model.state_dict()
    for key in _POSITION_IDS:  # some versions store this counter and some do not; it is 0, 1, 2, ... in all
        converted.setdefault(key, own[key])
    if new_decoder and not any(key.startswith(_HEAD) for key in converted):
        _log.warning("%s has no head that guesses words: that of the decoder starts from random weights", checkpoint)
        converted |= {key: value for key, value in own.items() if key.startswith(_HEAD)}
    load_exactly(model, converted, checkpoint)
    return unused


def convert_umt_vqa(state: StateDict, fusion_layer: int, *, new_decoder: bool) -> tuple[StateDict, list[str]]:
    """Rename entries of a UMT file; returns the converted ones and the names of those that are not used.

    Args:
        state: Entries under their official names, or under those of this project.
        fusion_layer: First layer of the question encoder that attends to the video.
        new_decoder: As in :func:`load_umt_vqa`.

    Raises:
        UserError: Weights that are tied in the official code differ.
    """
    dropped: list[str] = []
    if new_decoder:
        dropped = [key for key in state if key.startswith(_DECODER)]
        state = _with_new_decoder({key: value for key, value in state.items() if key not in dropped}, fusion_layer)
    converted, unused = convert_umt(state)
    parts = [key for key in converted if _RETRIEVAL_PARTS.match(key)]
    for key in parts:
        del converted[key]
    return _without_tied({_renamed(key): value for key, value in converted.items()}), [*dropped, *unused, *parts]


def _with_new_decoder(state: StateDict, fusion_layer: int) -> StateDict:
    decoder: StateDict = {}
    for key, value in state.items():
        name = re.sub(r"^text_encoder\.(bert\.)?", "", key)
        layer = _ENCODER_LAYER.match(name)
        if name == key:  # of another part
            continue
        if name.startswith("cls."):
            decoder[_DECODER + name] = value
        elif name.startswith("embeddings."):
            decoder[f"{_DECODER}bert.{name}"] = value
        elif layer and int(layer[1]) >= fusion_layer:
            decoder[f"{_DECODER}bert.encoder.layer.{int(layer[1]) - fusion_layer}.{layer[2]}"] = value
    kept = {key: value for key, value in state.items() if not key.startswith("text_encoder.cls.")}
    return kept | decoder


def _renamed(key: str) -> str:
    for official, ours in _HEAD_NAMES.items():
        if key.startswith(official):
            return ours + key.removeprefix(official)
    return key


def _without_tied(state: StateDict) -> StateDict:
    for copy, original in _TIED.items():
        if copy in state and original in state and not torch.equal(state[copy], state[original]):
            raise UserError(f"it has a {copy} other than its {original}, which are one in UMT")
    return {key: value for key, value in state.items() if not (key in _TIED and _TIED[key] in state)}
