"""GFLOPs by formula, in the same convention as :mod:`vidtldr.measuring.flops_counted` and equal to it to the digit."""

from dataclasses import dataclass
from typing import cast

from timm.layers import AttentionPoolLatent
from timm.models.vision_transformer import Attention, Block, VisionTransformer
from torch import nn

from vidtldr.merging import Base, Method
from vidtldr.merging.schedule import tokens_to_merge

_NORM = 5  # multiply-adds that fvcore counts for an element of a LayerNorm


@dataclass(frozen=True)
class Tower:
    """A ViT, as far as its cost goes.

    Attributes:
        num_patches: Patch tokens.
        num_prefix: Prefix tokens (class, registers).
        patch_values: Pixel values that are projected to a token.
        width: Channels of a token.
        depth: Blocks.
        num_heads: Attention heads.
        mlp_width: Channels inside the feed-forward part.
        head_width: Channels of the head's output; 0 without a head.
        norm_before: Whether a LayerNorm stands before the blocks.
        norm_after: Whether one stands behind them, over all tokens.
        norm_pooled: Whether the pooled feature has one.
        num_images: Images that are encoded by themselves; their costs add up.
        pool_mlp_width: Channels inside the feed-forward part of a pooling by attention; None without such a pooling.
    """

    num_patches: int
    num_prefix: int
    patch_values: int
    width: int
    depth: int
    num_heads: int
    mlp_width: int
    head_width: int
    norm_before: bool
    norm_after: bool
    norm_pooled: bool
    num_images: int = 1
    pool_mlp_width: int | None = None

    @classmethod
    def of(cls, encoder: VisionTransformer, *, num_images: int = 1) -> "Tower":
        """The shape of an encoder, which may be on the meta device."""
        block = cast(Block, next(iter(encoder.blocks.children())))
        return cls(
            num_patches=encoder.patch_embed.num_patches,
            num_prefix=encoder.num_prefix_tokens,
            patch_values=encoder.patch_embed.proj.weight[0].numel(),
            width=encoder.embed_dim,
            depth=len(encoder.blocks),
            num_heads=cast(Attention, block.attn).num_heads,
            mlp_width=cast(nn.Linear, block.mlp.fc1).out_features,
            head_width=encoder.head.out_features if isinstance(encoder.head, nn.Linear) else 0,
            norm_before=isinstance(encoder.norm_pre, nn.LayerNorm),
            norm_after=isinstance(encoder.norm, nn.LayerNorm),
            norm_pooled=isinstance(encoder.fc_norm, nn.LayerNorm),
            num_images=num_images,
            pool_mlp_width=_pool_mlp_width(encoder),
        )


def analytic_gflops(tower: Tower, method: Method | None = None) -> float:
    """The GFLOPs of one clip (billions of multiply-adds).

    Args:
        tower: The encoder.
        method: What is applied to it; None means base.

    Raises:
        ValueError: The schedule is longer than the tower is deep, or the cost depends on the clip.
    """
    return tower.num_images * _image(tower, method or Base()) / 1e9


def _image(tower: Tower, method: Method) -> int:
    num_prefix, width = tower.num_prefix, tower.width
    num_tokens = tower.num_patches + num_prefix
    total = tower.num_patches * width * tower.patch_values + tower.norm_before * _NORM * num_tokens * width
    if method.needs_first_pass:
        total += _image(tower, Base()) + tower.depth * num_tokens**2  # and a vector through the maps of all layers
    num_tokens -= method.gone_at_input(tower.num_patches)
    for rate in method.schedule(tower.depth):
        r = min(tokens_to_merge(rate, num_tokens - num_prefix), method.most(num_tokens, num_prefix))
        total += _attention(tower, num_tokens - r * (method.before == "layer"))
        total += _matching(tower, method, num_tokens) if r else 0
        total += _mlp(tower, num_tokens - r * (method.before != "next"))
        num_tokens -= r
    total += tower.norm_after * _NORM * num_tokens * width
    total += _pooling(tower, num_tokens)
    return total + tower.norm_pooled * _NORM * width + width * tower.head_width


def _pool_mlp_width(encoder: VisionTransformer) -> int | None:
    pool = getattr(encoder, "attn_pool", None)
    return cast(nn.Linear, pool.mlp.fc1).out_features if isinstance(pool, AttentionPoolLatent) and pool.mlp else None


def _pooling(tower: Tower, num_tokens: int) -> int:
    """Attention of one query over the tokens, where there is one, and its feed-forward part."""
    if tower.pool_mlp_width is None:
        return 0
    width = tower.width
    projections = (2 + 2 * num_tokens) * width**2  # the query and the output; keys and values
    return projections + 2 * num_tokens * width + _NORM * width + 2 * width * tower.pool_mlp_width


def _attention(tower: Tower, num_tokens: int) -> int:
    """LayerNorm, projections, scores and weighted sum."""
    width = tower.width
    return _NORM * num_tokens * width + 4 * num_tokens * width**2 + 2 * num_tokens**2 * width


def _mlp(tower: Tower, num_tokens: int) -> int:
    """LayerNorm and the feed-forward part."""
    return _NORM * num_tokens * tower.width + 2 * num_tokens * tower.width * tower.mlp_width


def _matching(tower: Tower, method: Method, num_tokens: int) -> int:
    """Similarities of tokens, each a product of as many channels as they are compared by."""
    width = {None: 0, "tokens": tower.width, "keys": tower.width // tower.num_heads}[method.matched_by]
    return method.similarities(num_tokens, tower.num_prefix) * width
