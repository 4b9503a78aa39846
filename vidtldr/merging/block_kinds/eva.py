"""timm's ``EvaBlock`` and ``EvaBlockPostNorm`` in parts.

EVA02, the rotary ViTs, Perception Encoder and DINOv3 are built of them. Queries and keys are turned by a rotary
embedding that the model hands to each layer; see https://arxiv.org/abs/2403.13298 for that of ViTs.

Notation: b clips, n tokens, c channels, h heads, e channels of a head.
"""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidtldr.merging.block_kinds.side import Side, refuse_mask
from vidtldr.merging.blocks import Projected

if TYPE_CHECKING:
    from timm.layers import AttentionRope
    from timm.models.eva import EvaAttention, EvaBlock, EvaBlockPostNorm  # type: ignore[attr-defined]


@dataclass(frozen=True)
class EvaParts:
    """A block of timm's ``Eva`` in parts, with every option that its classes have."""

    block: "EvaBlock | EvaBlockPostNorm"
    post_norm: bool

    def run(self, x: Tensor, *args: Any, **options: Any) -> Tensor:
        """The block as it is, called as the model calls it."""
        return cast(Tensor, self.block(x, *args, **options))

    def side(
        self, x: Tensor, rope: Tensor | None = None, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> Side:
        """The rotation of each token.

        Args:
            x: Tokens as they enter, ``[b, n, c]``.
            rope: What the model hands to the layer: sines and cosines of its patches, ``[n - p, 2 e]``, of each head,
                ``[h, n - p, 2 e]``, or of each clip as well, ``[b, 1 or h, n - p, 2 e]``.
            attn_mask: None; see Raises.
            is_causal: False; likewise.

        Returns:
            ``[b, n, 1 or h, 2 e]``, by which prefix tokens are not turned; nothing without ``rope``.

        Raises:
            ValueError: Attention is masked.
        """
        refuse_mask(attn_mask, causal=is_causal)
        if rope is None:
            return ()
        by_head = rope.reshape(-1 if rope.ndim == 4 else 1, rope.shape[-3] if rope.ndim > 2 else 1, *rope.shape[-2:])
        turns = by_head.transpose(1, 2).expand(x.shape[0], -1, -1, -1)
        num_prefix = x.shape[1] - turns.shape[1]
        sines, cosines = turns.new_zeros(turns[:, :num_prefix].shape).chunk(2, dim=-1)
        still = torch.cat([sines, torch.ones_like(cosines)], dim=-1)
        return (torch.cat([still, turns], dim=1),)

    def project(self, x: Tensor, side: Side = ()) -> Projected:
        """What the attention of the block does before its scores; ``side`` as :meth:`side` gives it."""
        attn = self._attention
        normed = x if self.post_norm else self.block.norm1(x)
        query, key, value = self._heads(normed)
        query, key = attn.q_norm(query), attn.k_norm(key)
        if side:
            query, key = (self._turn(part, side[0]).type_as(value) for part in (query, key))
        groups = getattr(attn, "num_kv_groups", 1)
        if groups > 1:
            key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
        dropout = attn.attn_drop.p if attn.training else 0.0
        return Projected(normed, query, key, value, attn.scale, dropout)

    def add_attention(self, x: Tensor, attended: Tensor, projected: Projected) -> Tensor:
        """What the attention does after its scores, and the first residual of the block."""
        attn = self._attention
        joined = getattr(attn, "norm", nn.Identity())(attended.transpose(1, 2).flatten(2))
        gate = getattr(attn, "gate", None)
        if gate is not None:
            joined = joined * gate(projected.normed).sigmoid()
        added: Tensor = self.block.drop_path1(self._scaled(attn.proj_drop(attn.proj(joined)), "norm1", "gamma_1"))
        return x + added

    def add_mlp(self, x: Tensor) -> Tensor:
        """The second residual of the block."""
        normed = x if self.post_norm else self.block.norm2(x)
        added: Tensor = self.block.drop_path2(self._scaled(self.block.mlp(normed), "norm2", "gamma_2"))
        return x + added

    def answer(self, x: Tensor) -> Tensor:
        """Tokens ``[b, n, c]`` as the model's own loop expects them of a block."""
        return x

    @property
    def _attention(self) -> "EvaAttention | AttentionRope":
        return self.block.attn

    def _scaled(self, added: Tensor, norm: str, gamma: str) -> Tensor:
        """What a branch gives, normed or scaled as the block does it."""
        if self.post_norm:
            return cast(Tensor, getattr(self.block, norm)(added))
        scale: Tensor | None = getattr(self.block, gamma)
        return added if scale is None else scale * added

    def _heads(self, normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, ``[b, h, n, e]``; fewer heads of the last two with grouped queries."""
        attn = self._attention
        if attn.qkv is None:
            parts = [attn.q_proj(normed), attn.k_proj(normed), attn.v_proj(normed)]
        elif getattr(attn, "q_bias", None) is None:
            parts = attn.qkv(normed).chunk(3, dim=-1)
        else:
            bias = torch.cat([cast(Tensor, part) for part in (attn.q_bias, attn.k_bias, attn.v_bias)])
            apart = attn.qkv_bias_separate
            joint = attn.qkv(normed) + bias if apart else F.linear(normed, attn.qkv.weight, bias)
            parts = joint.chunk(3, dim=-1)
        width = parts[0].shape[-1] // attn.num_heads
        query, key, value = (part.unflatten(-1, (-1, width)).transpose(1, 2) for part in parts)
        return query, key, value

    def _turn(self, heads: Tensor, turns: Tensor) -> Tensor:
        """Queries or keys ``[b, h, n, e]`` turned by ``[b, n, 1 or h, 2 e]``."""
        from timm.layers import apply_rot_embed_cat  # late: whoever holds such a block has imported timm

        half = {"half": True} if getattr(self._attention, "rotate_half", False) else {}  # which old timm does not know
        return cast(Tensor, apply_rot_embed_cat(heads, turns.transpose(1, 2), **half))


def eva_in_parts(block: nn.Module) -> EvaParts | None:
    """A block of timm's ``Eva`` as merging takes it, or ``None`` if it is none, or runs in a way of its own."""
    module = sys.modules.get("timm.models.eva")
    if module is None:  # nobody can hold a block of it
        return None
    attentions = (module.EvaAttention, getattr(module, "AttentionRope", module.EvaAttention))
    if not _runs_as(getattr(block, "attn", None), *attentions):
        return None
    if _runs_as(block, module.EvaBlock, module.EvaBlockPostNorm):
        return EvaParts(cast("EvaBlock", block), isinstance(block, module.EvaBlockPostNorm))
    return None


def _runs_as(module: object, *classes: type[nn.Module]) -> bool:
    """Whether a module is of one of the classes, or of one derived from it that keeps its ``forward``."""
    return any(isinstance(module, known) and type(module).forward is known.forward for known in classes)
