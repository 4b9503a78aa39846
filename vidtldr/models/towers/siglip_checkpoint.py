"""Weights of SigLIP, as transformers and open_clip name them, to the names of this project."""

import math
import re

import torch

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import (
    Source,
    StateDict,
    find_checkpoint,
    load_exactly,
    named_in_errors,
)
from vidtldr.models.positions import Grid, stretch
from vidtldr.models.towers.pair import SigLIPPair

_POSITIONS = "vision_encoder.pos_embed"
_COMPUTED = re.compile(r"\.position_ids$")
_FROM_HUGGING_FACE = (
    (re.compile(r"^vision_model\.embeddings\.patch_embedding\."), "vision_encoder.patch_embed.proj."),
    (re.compile(r"^vision_model\.embeddings\.position_embedding\.weight$"), _POSITIONS),
    (re.compile(r"^vision_model\.encoder\.layers\."), "vision_encoder.blocks."),
    (re.compile(r"^vision_model\.post_layernorm\."), "vision_encoder.norm."),
    (re.compile(r"^vision_model\.head\.probe$"), "vision_encoder.attn_pool.latent"),
    (re.compile(r"^vision_model\.head\.attention\.out_proj\."), "vision_encoder.attn_pool.proj."),
    (re.compile(r"^vision_model\.head\.layernorm\."), "vision_encoder.attn_pool.norm."),
    (re.compile(r"^vision_model\.head\."), "vision_encoder.attn_pool."),
    (re.compile(r"^(vision_encoder\.blocks\.\d+)\.self_attn\.out_proj\."), r"\1.attn.proj."),
    (re.compile(r"^(vision_encoder\.blocks\.\d+)\.self_attn\."), r"\1.attn."),
    (re.compile(r"^(vision_encoder\.blocks\.\d+)\.layer_norm([12])\."), r"\1.norm\2."),
    (re.compile(r"^text_model\.embeddings\.token_embedding\."), "text_encoder.token_embedding."),
    (re.compile(r"^text_model\.embeddings\.position_embedding\.weight$"), "text_encoder.positional_embedding"),
    (re.compile(r"^text_model\.encoder\.layers\."), "text_encoder.transformer.resblocks."),
    (re.compile(r"^text_model\.final_layer_norm\."), "text_encoder.ln_final."),
    (re.compile(r"^text_model\.head\."), "text_encoder.text_projection."),
    (re.compile(r"^(text_encoder\..*)\.self_attn\."), r"\1.attn."),
    (re.compile(r"^(text_encoder\..*)\.layer_norm([12])\."), r"\1.ln_\2."),
    (re.compile(r"^(text_encoder\..*)\.mlp\.fc1\."), r"\1.mlp.c_fc."),
    (re.compile(r"^(text_encoder\..*)\.mlp\.fc2\."), r"\1.mlp.c_proj."),
)
_FROM_OPEN_CLIP = (
    (re.compile(r"^visual\.trunk\."), "vision_encoder."),
    (re.compile(r"^text\."), "text_encoder."),
)
_SEPARATE = re.compile(r"\.q_proj\.(weight|bias)$")


def load_siglip(model: SigLIPPair, source: Source) -> list[str]:
    """Load a SigLIP, published or exported by this project.

    Args:
        model: What to fill.
        source: A SigLIP, or SigLIP 2 of fixed resolution, of transformers or open_clip; or one of this project.

    Returns:
        The entries of the file that the model has no use for.

    Raises:
        UserError: The file cannot be read, or an entry of file or model is unaccounted for.
    """
    checkpoint = find_checkpoint(source)
    state = checkpoint.read()
    with named_in_errors(checkpoint):
        unused = [key for key in state if _COMPUTED.search(key)]
        state = _converted({key: value for key, value in state.items() if key not in unused})
        _fit_positions(model, state)
    load_exactly(model, state, checkpoint)
    return unused


def _converted(state: StateDict) -> StateDict:
    if any(key.startswith("vision_model.") for key in state):
        state = {_renamed(key, _FROM_HUGGING_FACE): value for key, value in _joined(state).items()}
    else:
        state = {_renamed(key, _FROM_OPEN_CLIP): value for key, value in state.items()}
    for key in ("logit_scale", "logit_bias"):  # numbers here, lists of one there
        if key in state and state[key].numel() == 1:
            state[key] = state[key].reshape(())
    if _POSITIONS in state and state[_POSITIONS].ndim == 2:
        state[_POSITIONS] = state[_POSITIONS].unsqueeze(0)
    return state


def _joined(state: StateDict) -> StateDict:
    """Queries, keys and values in one projection; those of the pooling in two, as timm has them."""
    joined = dict(state)
    for key in [key for key in state if _SEPARATE.search(key)]:
        parts = [key.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]
        lacking = [part for part in parts if part not in state]
        if lacking:
            raise UserError(f"it has {key} but no {lacking[0]}")
        name = ".qkv." if key.startswith("vision_model.") else ".in_proj_"
        joined[key.replace(".q_proj.", name)] = torch.cat([joined.pop(part) for part in parts])
    for part in ("weight", "bias"):
        key = f"vision_model.head.attention.in_proj_{part}"
        if key in joined:
            table = joined.pop(key)
            width = len(table) // 3
            joined[f"vision_model.head.q.{part}"] = table[:width]
            joined[f"vision_model.head.kv.{part}"] = table[width:]
    return joined


def _fit_positions(model: SigLIPPair, state: StateDict) -> None:
    """Stretch the table of positions, where it was made for frames of another size; these have no class token."""
    table, own = state.get(_POSITIONS), model.vision_encoder.pos_embed
    if (
        table is None
        or own is None
        or table.ndim != 3
        or table.shape[1] == own.shape[1]
        or not table.is_floating_point()
    ):
        return
    old, new = (Grid(1, side, side) for side in map(math.isqrt, (table.shape[1], own.shape[1])))
    if math.prod(old) == table.shape[1] and math.prod(new) == own.shape[1]:  # otherwise its shape will be refused
        state[_POSITIONS] = stretch(table.float(), old, new, antialias=True).to(table.dtype)


def _renamed(key: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, replacement in rules:
        key = pattern.sub(replacement, key)
    return key
