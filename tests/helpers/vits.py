"""Small ViTs with random weights, to put methods on."""

from typing import Any

import timm
import torch
from torch import Tensor, nn

from vidtldr.models.videomae import VideoMAE, VideoMAESize

IMAGES = (3, 32, 32)
CLIPS = (3, 6, 32, 32)


def image_vit(*, attentive: float = 6.0, **options: Any) -> nn.Module:
    """A plain timm ViT: 16 patches and a class token; ``attentive`` scales what attention differs by."""
    torch.manual_seed(0)
    options = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 4, "num_heads": 2, "num_classes": 5} | options
    return _attentive(timm.models.VisionTransformer(**options).eval(), attentive)


def averaging_vit(**options: Any) -> nn.Module:
    """The same without a class token: the mean of the tokens is classified."""
    return image_vit(class_token=False, global_pool="avg", **options)


def video_vit(*, attentive: float = 6.0) -> nn.Module:
    """A VideoMAE: 3 steps of 16 tubelets."""
    torch.manual_seed(0)
    size = VideoMAESize(width=32, depth=4, num_heads=2, patch_size=8)
    return _attentive(VideoMAE(size, num_classes=5, num_frames=6, image_size=32).eval(), attentive)


def slow_block(block: nn.Module, x: Tensor, mass: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Maps of all heads ``[1, h, n, n]`` without mass, keys ``[1, n, h, e]`` and tokens after attention, of a clip."""
    attn = block.attn
    query, key, value = attn.qkv(block.norm1(x)).reshape(*x.shape[:2], 3, attn.num_heads, -1).unbind(2)
    bias = torch.zeros(x.shape[1]) if mass is None else mass[0].log()
    scores = [query[:, :, h] @ key[:, :, h].mT * attn.scale for h in range(attn.num_heads)]
    heads = [(score + bias).softmax(-1) @ value[:, :, h] for h, score in enumerate(scores)]
    maps = torch.stack([score.softmax(-1) for score in scores], dim=1)
    return maps, key, x + attn.proj(torch.cat(heads, dim=-1))


def _attentive(model: nn.Module, factor: float) -> nn.Module:
    with torch.no_grad():
        for block in model.blocks:
            block.attn.qkv.weight *= factor
    return model
