"""Weights of ViFi-CLIP and CLIP, under the names of their publishers, to the names of this project.

Official layout: ``image_encoder``, ``text_encoder`` and ``prompt_learner`` of the ViFi-CLIP repository. Its files lack
the table of token embeddings, which is never fine-tuned: the official code takes it from the original CLIP. Other
dialects differ in names alone and are first brought to those of OpenAI, which open_clip shares.
"""

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import (
    Checkpoint,
    Source,
    StateDict,
    find_checkpoint,
    fit_learned,
    load_exactly,
    named_in_errors,
)
from vidtldr.models.vifi_clip.model import ViFiCLIP

_TABLE = "text_encoder.token_embedding.weight"
_POSITIONS = "vision_encoder.pos_embed"
_LEARNED_PROMPT = re.compile(r"(^|\.)prompt_learner\.(ctx|token_prefix|token_suffix)|VPT")
# Looked-up embeddings of the classes of the training; settings that OpenAI stores as tensors; what can be computed.
_UNUSED = re.compile(
    r"prompt_learner\.complete_text_embeddings$|(^|\.)(input_resolution|context_length|vocab_size)$"
    r"|(^|\.)attn_mask$|\.position_ids$"
)

_FROM_HUGGING_FACE = (
    (re.compile(r"^text_model\."), ""),
    (re.compile(r"^vision_model\."), "visual."),
    (re.compile(r"^visual_projection\.weight$"), "visual.proj"),
    (re.compile(r"^text_projection\.weight$"), "text_projection"),
    (re.compile(r"\.encoder\.layers\."), ".transformer.resblocks."),
    (re.compile(r"^encoder\.layers\."), "transformer.resblocks."),
    (re.compile(r"(^|\.)embeddings\.position_embedding\.weight$"), r"\1positional_embedding"),
    (re.compile(r"(^|\.)embeddings\.patch_embedding\."), r"\1conv1."),
    (re.compile(r"(^|\.)embeddings\."), r"\1"),
    (re.compile(r"\.pre_layrnorm\."), ".ln_pre."),  # so spelt
    (re.compile(r"\.post_layernorm\."), ".ln_post."),
    (re.compile(r"^final_layer_norm\."), "ln_final."),
    (re.compile(r"\.self_attn\."), ".attn."),
    (re.compile(r"\.layer_norm([12])\."), r".ln_\1."),
    (re.compile(r"\.mlp\.fc1\."), ".mlp.c_fc."),
    (re.compile(r"\.mlp\.fc2\."), ".mlp.c_proj."),
)
_TO_TIMM = (
    (re.compile(r"^vision_encoder\.class_embedding$"), "vision_encoder.cls_token"),
    (re.compile(r"^vision_encoder\.positional_embedding$"), "vision_encoder.pos_embed"),
    (re.compile(r"^vision_encoder\.proj$"), "vision_encoder.head.weight"),
    (re.compile(r"^vision_encoder\.conv1\."), "vision_encoder.patch_embed.proj."),
    (re.compile(r"^vision_encoder\.ln_pre\."), "vision_encoder.norm_pre."),
    (re.compile(r"^vision_encoder\.ln_post\."), "vision_encoder.fc_norm."),
    (re.compile(r"^vision_encoder\.transformer\.resblocks\."), "vision_encoder.blocks."),
    (re.compile(r"^(vision_encoder\..*)\.attn\.in_proj_"), r"\1.attn.qkv."),
    (re.compile(r"^(vision_encoder\..*)\.attn\.out_proj\."), r"\1.attn.proj."),
    (re.compile(r"^(vision_encoder\..*)\.ln_([12])\."), r"\1.norm\2."),
    (re.compile(r"^(vision_encoder\..*)\.mlp\.c_fc\."), r"\1.mlp.fc1."),
    (re.compile(r"^(vision_encoder\..*)\.mlp\.c_proj\."), r"\1.mlp.fc2."),
)
_RESHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "vision_encoder.class_embedding": lambda vector: vector.reshape(1, 1, -1),
    "vision_encoder.positional_embedding": lambda table: table.unsqueeze(0),
    "vision_encoder.proj": lambda matrix: matrix.transpose(0, -1),
}


def load_vifi_clip(model: ViFiCLIP, source: Source, token_embedding: Source | None = None) -> list[str]:
    """Load a ViFi-CLIP or CLIP checkpoint, published or exported by this project.

    Args:
        model: What to fill.
        source: An official ViFi-CLIP; CLIP from OpenAI, open_clip or Hugging Face; or one of this project; by a name
            that :func:`~vidtldr.models.checkpoint.find_checkpoint` knows.
        token_embedding: The original CLIP, in any of these forms, whose token embeddings an official ViFi-CLIP file
            needs.

    Returns:
        The entries of the file that the model has no use for.

    Raises:
        UserError: A file cannot be read, an entry of file or model is unaccounted for, or the table of token embeddings
            is in no file or in both.
    """
    checkpoint = find_checkpoint(source)
    _check_activation(checkpoint, model)
    state, unused = _converted(checkpoint)
    own = model.state_dict()
    if token_embedding is None and own.keys() - state.keys() == {_TABLE}:
        raise UserError(
            f"checkpoint '{checkpoint}' holds no token embeddings (no ViFi-CLIP file does): give the original CLIP "
            "file that holds them as token_embedding"
        )
    if token_embedding is not None:
        if _TABLE in state:
            raise UserError(f"checkpoint '{checkpoint}' holds its own token embeddings: leave token_embedding out")
        original = find_checkpoint(token_embedding)
        donor, _ = _converted(original)
        if _TABLE not in donor:
            raise UserError(f"'{original}', given as token_embedding, holds no token embeddings")
        # first by itself, so that what is wrong with it is said of its own file
        load_exactly(model.get_submodule(_TABLE.removesuffix(".weight")), {"weight": donor[_TABLE]}, original)
        state[_TABLE] = donor[_TABLE]
    fit_learned(own[_POSITIONS], checkpoint, state, _POSITIONS)
    load_exactly(model, state, checkpoint)
    return unused


def _converted(checkpoint: Checkpoint) -> tuple[StateDict, list[str]]:
    entries = checkpoint.read()
    with named_in_errors(checkpoint):
        return convert_vifi_clip(entries, str(checkpoint))


def _check_activation(checkpoint: Checkpoint, model: ViFiCLIP) -> None:
    """Refuse weights that were trained with another GELU, which no entry would tell; a config beside them does."""
    of_open_clip, of_transformers = (checkpoint.config.get(key) for key in ("model_cfg", "vision_config"))
    if isinstance(of_open_clip, Mapping):  # whose models have the exact one unless they say otherwise
        quick = bool(of_open_clip.get("quick_gelu", False))
    elif isinstance(of_transformers, Mapping):  # the other way round
        quick = of_transformers.get("hidden_act", "quick_gelu") == "quick_gelu"
    else:
        return
    if quick != model.quick_gelu:
        raise UserError(
            f"checkpoint '{checkpoint}' was trained with {'quick' if quick else 'exact'} GELU: set --model.size "
            f"'{{quick_gelu: {str(quick).lower()}}}'"
        )


def convert_vifi_clip(state: StateDict, source: str) -> tuple[StateDict, list[str]]:
    """Rename entries of a file; returns the converted ones and the names of those that are not used.

    Files exported by this project pass through unchanged.

    Args:
        state: Entries by the names in the file.
        source: The file, for messages.

    Raises:
        UserError: The file is of the variant with learned prompts, or a projection lacks its keys or values.
    """
    learned = next((key for key in state if _LEARNED_PROMPT.search(key)), None)
    if learned is not None:
        raise UserError(
            f"checkpoint '{source}' was trained with learned prompts ({learned}), which this model does not have: take "
            "a fully fine-tuned ViFi-CLIP"
        )
    unused = [key for key in state if _UNUSED.search(key)]
    state = {key: value for key, value in state.items() if key not in unused}
    if any(key.startswith("vision_encoder.") for key in state):
        return state, unused
    if any(key.startswith("vision_model.") for key in state):
        state = _from_hugging_face(state, source)
    return _to_timm({_official_name(key): value for key, value in state.items()}), unused


def _official_name(key: str) -> str:
    """OpenAI's name, or ViFi-CLIP's, to one with the tower in front."""
    for prefix in ("visual.", "image_encoder."):
        if key.startswith(prefix):
            return "vision_encoder." + key.removeprefix(prefix)
    return key if key == "logit_scale" or key.startswith("text_encoder.") else "text_encoder." + key


def _from_hugging_face(state: StateDict, source: str) -> StateDict:
    state = dict(state)
    for query in [key for key in state if ".self_attn.q_proj." in key]:
        parts = [query.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]
        lacking = [part for part in parts if part not in state]
        if lacking:
            raise UserError(f"checkpoint '{source}' has {query} but no {lacking[0]}")
        state[query.replace(".q_proj.", ".in_proj_")] = torch.cat([state.pop(part) for part in parts])
    for key in ("visual_projection.weight", "text_projection.weight"):
        if key in state:
            state[key] = state[key].transpose(0, -1)
    return {_renamed(key, _FROM_HUGGING_FACE): value for key, value in state.items()}


def _to_timm(state: StateDict) -> StateDict:
    state = dict(state)
    for key, reshape in _RESHAPES.items():
        if key in state:
            state[key] = reshape(state[key])
    return {_renamed(key, _TO_TIMM): value for key, value in state.items()}


def _renamed(key: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, replacement in rules:
        key = pattern.sub(replacement, key)
    return key
