"""Sizes of pairs of towers by name, for pairs whose checkpoint does not tell its own."""

from dataclasses import dataclass

from vidtldr.models.vifi_clip import ViFiCLIPSize


@dataclass(frozen=True)
class SigLIPSize:
    """What distinguishes one SigLIP from another; the defaults are ViT-B/16's.

    Attributes:
        width: Channels of an image token, and of the space where videos and texts are compared.
        depth: Blocks of the image tower.
        num_heads: Attention heads of the image tower and of its pooling.
        mlp_width: Channels inside the feed-forward parts of the image tower.
        patch_size: Height and width of a patch in pixels.
        text_width: Channels of a text token.
        text_layers: Layers of the text tower.
        text_heads: Attention heads of the text tower.
        text_mlp_width: Channels inside its feed-forward parts.
        context_length: Positions of a text; shorter texts are padded to it.
        vocab_size: Tokens of the vocabulary.
        tanh_gelu: Whether the image tower computes GELU by its tanh approximation.
        text_tanh_gelu: Whether the text tower does.
    """

    width: int = 768
    depth: int = 12
    num_heads: int = 12
    mlp_width: int = 3072
    patch_size: int = 16
    text_width: int = 768
    text_layers: int = 12
    text_heads: int = 12
    text_mlp_width: int = 3072
    context_length: int = 64
    vocab_size: int = 32000
    tanh_gelu: bool = True
    text_tanh_gelu: bool = True


PairSize = ViFiCLIPSize | SigLIPSize
"""The size of a pair; its type is the family: CLIP, which ViFi-CLIP shares, or SigLIP."""

CLIP_SIZES = {
    "clip_b32": ViFiCLIPSize(patch_size=32),
    "clip_b16": ViFiCLIPSize(),
    "clip_l14": ViFiCLIPSize(
        width=1024, depth=24, num_heads=16, patch_size=14, joint_dim=768, text_width=768, text_heads=12
    ),
}
SIGLIP_SIZES = {
    "siglip_b16": SigLIPSize(),
    "siglip2_b16": SigLIPSize(vocab_size=256000),
}
