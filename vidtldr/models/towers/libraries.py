"""What the config beside a checkpoint says of a pair of towers, as transformers and open_clip write it."""

from collections.abc import Mapping
from typing import Any

import torch

from vidtldr.errors import UserError
from vidtldr.models.towers.sizes import PairSize, SigLIPSize
from vidtldr.models.vifi_clip import ViFiCLIPSize

# What transformers leaves out of a config.json because it is its default.
_CLIP_VISION: dict[str, Any] = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "patch_size": 32, "hidden_act": "quick_gelu",
}  # fmt: skip
_CLIP_TEXT: dict[str, Any] = {
    "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8,
    "max_position_embeddings": 77, "vocab_size": 49408, "hidden_act": "quick_gelu",
}  # fmt: skip
_SIGLIP: dict[str, Any] = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "hidden_act": "gelu_pytorch_tanh", "patch_size": 16, "max_position_embeddings": 64, "vocab_size": 32000,
}  # fmt: skip
_ACTIVATIONS = {"quick_gelu": (True, False), "gelu": (False, False), "gelu_pytorch_tanh": (False, True)}
_HEAD_WIDTH = 64  # of open_clip, unless its config tells


def told_size(config: Mapping[str, Any], source: str) -> PairSize | None:
    """The size of a pair that a config tells of; None if it is of nothing that is known here, or empty.

    Args:
        config: ``config.json`` of transformers, or ``open_clip_config.json``.
        source: The checkpoint, for messages.

    Raises:
        UserError: The config is of a pair that cannot be built here.
    """
    try:
        if isinstance(config.get("model_cfg"), Mapping):
            return _of_open_clip(config["model_cfg"], source)
        kind = config.get("model_type")
        if kind == "siglip2":
            raise UserError(
                f"checkpoint '{source}' is a SigLIP 2 of variable resolution (NaFlex), whose towers this project does "
                "not have: take one of fixed resolution, such as google/siglip2-base-patch16-224"
            )
        if kind not in ("clip", "siglip"):
            return None
        text, vision = ({**(config.get(f"{part}_config") or {})} for part in ("text", "vision"))
        return (_clip if kind == "clip" else _siglip)(config, text, vision, source)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise UserError(f"the config of checkpoint '{source}' is damaged ({error!r})") from error


def _clip(config: Mapping[str, Any], text: dict[str, Any], vision: dict[str, Any], source: str) -> ViFiCLIPSize:
    text, vision = _CLIP_TEXT | text, _CLIP_VISION | vision
    for part in (text, vision):
        if part["intermediate_size"] != 4 * part["hidden_size"]:
            raise UserError(
                f"checkpoint '{source}' has feed-forward parts of {part['intermediate_size']} channels at a width of "
                f"{part['hidden_size']}: a CLIP whose are not four times as wide cannot be built"
            )
    quick, tanh = _activation(vision["hidden_act"], source)
    if tanh or _activation(text["hidden_act"], source) != (quick, tanh):
        raise UserError(
            f"checkpoint '{source}' has the activations {vision['hidden_act']} and {text['hidden_act']}: a CLIP has "
            "quick_gelu in both towers or gelu in both"
        )
    return ViFiCLIPSize(
        width=vision["hidden_size"],
        depth=vision["num_hidden_layers"],
        num_heads=vision["num_attention_heads"],
        patch_size=vision["patch_size"],
        joint_dim=config.get("projection_dim", 512),
        text_width=text["hidden_size"],
        text_layers=text["num_hidden_layers"],
        text_heads=text["num_attention_heads"],
        context_length=text["max_position_embeddings"],
        vocab_size=text["vocab_size"],
        quick_gelu=quick,
    )


def _siglip(config: Mapping[str, Any], text: dict[str, Any], vision: dict[str, Any], source: str) -> SigLIPSize:
    text, vision = _SIGLIP | text, _SIGLIP | vision
    tanh = [_activation(part["hidden_act"], source) for part in (vision, text)]
    if any(quick for quick, _ in tanh) or text.get("projection_size", vision["hidden_size"]) != vision["hidden_size"]:
        raise UserError(f"checkpoint '{source}' has another activation or projection than published SigLIPs")
    return SigLIPSize(
        width=vision["hidden_size"],
        depth=vision["num_hidden_layers"],
        num_heads=vision["num_attention_heads"],
        mlp_width=vision["intermediate_size"],
        patch_size=vision["patch_size"],
        text_width=text["hidden_size"],
        text_layers=text["num_hidden_layers"],
        text_heads=text["num_attention_heads"],
        text_mlp_width=text["intermediate_size"],
        context_length=text["max_position_embeddings"],
        vocab_size=text["vocab_size"],
        tanh_gelu=tanh[0][1],
        text_tanh_gelu=tanh[1][1],
    )


def _of_open_clip(model: Mapping[str, Any], source: str) -> PairSize:
    text, vision = model["text_cfg"], model["vision_cfg"]
    if "timm_model_name" in vision:
        return _siglip_of_open_clip(vision, text, source)
    known = {"context_length", "vocab_size", "width", "heads", "layers"}
    others = sorted(set(text) - known) + sorted(
        set(vision) - {"image_size", "layers", "width", "head_width", "patch_size"}
    )
    if others or not isinstance(vision["layers"], int):
        raise UserError(f"checkpoint '{source}' of open_clip is not just CLIP's ViT ({', '.join(others)})")
    return ViFiCLIPSize(
        width=vision["width"],
        depth=vision["layers"],
        num_heads=vision["width"] // vision.get("head_width", _HEAD_WIDTH),
        patch_size=vision["patch_size"],
        joint_dim=model["embed_dim"],
        text_width=text["width"],
        text_layers=text["layers"],
        text_heads=text["heads"],
        context_length=text.get("context_length", _CLIP_TEXT["max_position_embeddings"]),
        vocab_size=text.get("vocab_size", _CLIP_TEXT["vocab_size"]),
        quick_gelu=bool(model.get("quick_gelu", False)),
    )


def _siglip_of_open_clip(vision: Mapping[str, Any], text: Mapping[str, Any], source: str) -> SigLIPSize:
    import timm
    from timm.layers import GELUTanh

    wanted = {"timm_pool": "map", "timm_proj": "none"}
    if any(vision.get(key) != value for key, value in wanted.items()) or text.get("pool_type") != "last":
        raise UserError(
            f"checkpoint '{source}' has the towers {vision['timm_model_name']} of timm, which are not SigLIP's"
        )
    with torch.device("meta"):  # nothing is allocated
        trunk: Any = timm.create_model(vision["timm_model_name"], num_classes=0)
    block = trunk.blocks[0]
    return SigLIPSize(
        width=trunk.embed_dim,
        depth=len(trunk.blocks),
        num_heads=block.attn.num_heads,
        mlp_width=block.mlp.fc1.out_features,
        patch_size=trunk.patch_embed.patch_size[0],
        text_width=text["width"],
        text_layers=text["layers"],
        text_heads=text["heads"],
        text_mlp_width=int(text["width"] * text.get("mlp_ratio", 4.0)),
        context_length=text["context_length"],
        vocab_size=text["vocab_size"],
        tanh_gelu=isinstance(block.mlp.act, GELUTanh),
        text_tanh_gelu=text.get("act_kwargs", {}).get("approximate") == "tanh",
    )


def _activation(name: str, source: str) -> tuple[bool, bool]:
    """Whether it is quick, and whether it is the tanh approximation."""
    if name not in _ACTIVATIONS:
        raise UserError(f"checkpoint '{source}' has the activation {name!r}; known are {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]
