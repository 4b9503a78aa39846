"""VideoMAE's published weights, in either dialect, to the names of this project.

The official code (``modeling_finetune.py``, ``modeling_pretrain.py``) and Hugging Face's
``VideoMAEForVideoClassification`` name the same entries differently, and the latter has spelled the biases of queries
and values in two ways.
"""

import logging
import re

import torch

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import (
    Checkpoint,
    Source,
    StateDict,
    find_checkpoint,
    fit_sinusoid,
    join_attention_bias,
    load_exactly,
    named_in_errors,
)
from vidtldr.models.videomae.model import VideoMAE

_log = logging.getLogger(__name__)

# Parts of the pre-training model that rebuild the hidden tubelets.
_PRETRAINING = re.compile(r"^(decoder\.|encoder_to_decoder\.|mask_token$)")
_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Official: pre-training files and files of other tasks.
        (r"^(backbone|encoder)\.(?!layer\.)", ""),
        # Hugging Face; a file of the bare encoder lacks the first part.
        (r"^(videomae\.)?embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (r"^(videomae\.)?encoder\.layer\.", "blocks."),
        (r"^(videomae\.)?layernorm\.", "norm."),
        (r"^(videomae\.)?embeddings\.position_embeddings$", "pos_embed"),
        (r"^classifier\.", "head."),
        (r"\.layernorm_before\.", ".norm1."),
        (r"\.layernorm_after\.", ".norm2."),
        (r"\.attention\.attention\.(q_bias|query\.bias)$", ".attn.q_bias"),
        (r"\.attention\.attention\.(k_bias|key\.bias)$", ".attn.k_bias"),
        (r"\.attention\.attention\.(v_bias|value\.bias)$", ".attn.v_bias"),
        (r"\.attention\.attention\.", ".attn."),
        (r"\.attention\.output\.dense\.", ".attn.proj."),
        (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"\.output\.dense\.", ".mlp.fc2."),
    )
)


def load_videomae(model: VideoMAE, source: Source, *, new_head: bool = False) -> list[str]:
    """Load a VideoMAE file, published or exported by this project, into a classifier.

    Args:
        model: What to fill.
        source: The checkpoint, by a name that :func:`~vidtldr.models.checkpoint.find_checkpoint` knows.
        new_head: Fine-tuning starts here: keep the model's fresh head, whatever the file holds, and its fresh
            ``fc_norm`` if the file has none, as files of pre-training have not.

    Returns:
        The entries of the file that the model has no use for.

    Raises:
        UserError: The file cannot be read, comes from pre-training or tells other classes apart while ``new_head`` is
            off, or an entry of file or model is unaccounted for.
    """
    checkpoint = find_checkpoint(source)
    _check_heads(checkpoint, model)
    entries = checkpoint.read()
    with named_in_errors(checkpoint):
        state, unused = convert_videomae(entries, new_head=new_head)
    if "fc_norm.weight" in state and any(_rename(key) == "norm.weight" for key in unused):
        _log.warning("%s has a norm.* beside its fc_norm.*: it is not used, as the head reads the mean", checkpoint)
    fit_sinusoid(model, checkpoint, state)
    own = model.state_dict()
    if new_head:
        fresh = ("head.",) if any(key.startswith("fc_norm.") for key in state) else ("head.", "fc_norm.")
        state |= {key: value for key, value in own.items() if key.startswith(fresh)}
    else:
        _check_head(state, unused, own["head.weight"].shape[0], checkpoint)
    load_exactly(model, state, checkpoint)
    return unused


def convert_videomae(state: StateDict, *, new_head: bool = False) -> tuple[StateDict, list[str]]:
    """Rename entries of a VideoMAE file; returns the converted ones and the file's names of those that are not used.

    Queries, keys and values of a block become one projection, whose bias is zero for the keys. Files exported by this
    project pass through unchanged, but for the head if a new one shall take its place.
    """
    names = {key: _rename(key) for key in state}
    useless = ["head."] if new_head else []
    if "head.weight" not in names.values() or "fc_norm.weight" in names.values():
        # Pre-training normalises the tokens at the end; a classifier, which normalises their mean, does not.
        useless.append("norm.")
    unused = [key for key in state if _PRETRAINING.match(key) or names[key].startswith(tuple(useless))]
    converted = {names[key]: value for key, value in state.items() if key not in unused}
    return join_attention_bias(_join_projections(converted)), unused


def _rename(key: str) -> str:
    for pattern, replacement in _RENAMES:
        key = pattern.sub(replacement, key)
    return key


def _join_projections(state: StateDict) -> StateDict:
    for query in [key for key in state if key.endswith(".attn.query.weight")]:
        block = query.removesuffix("query.weight")
        parts = [f"{block}{part}.weight" for part in ("query", "key", "value")]
        absent = [part for part in parts if part not in state]
        if absent:
            raise UserError(f"it has {query} but no {absent[0]}")
        state[f"{block}qkv.weight"] = torch.cat([state.pop(part) for part in parts])
    return state


def _check_head(state: StateDict, unused: list[str], num_classes: int, source: Checkpoint) -> None:
    if "head.weight" in state:
        stored = len(state["head.weight"]) if state["head.weight"].ndim else 0
        if stored != num_classes:
            raise UserError(
                f"checkpoint '{source}' tells {stored} classes apart, the model {num_classes}; other classes need "
                "fine-tuning with a new head"
            )
    elif any(_PRETRAINING.match(key) for key in unused) or "patch_embed.proj.weight" in state:
        raise UserError(
            f"checkpoint '{source}' comes from pre-training and has no head, so it cannot classify; fine-tune it with "
            "a new head first"
        )


def _check_heads(checkpoint: Checkpoint, model: VideoMAE) -> None:
    """Refuse another number of attention heads, which no shape of an entry would tell."""
    num_heads = model.num_heads
    stored = checkpoint.config.get("num_attention_heads", num_heads)
    if stored != num_heads:
        raise UserError(
            f"checkpoint '{checkpoint}' has {stored} attention heads, the model {num_heads}: set --model.size"
        )
