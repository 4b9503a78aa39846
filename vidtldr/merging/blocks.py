"""What merging asks of a transformer block, and how timm's answers.

Tokens go between the two halves of a block, and attention is to be read on the way. So a block is taken in parts:
projections, what is added to the tokens by attention, and what by the feed-forward part. A block of another kind runs
under every method once it has these parts itself, or an adapter here gives them to it.

Notation: b clips, n tokens, c channels, h heads, e channels of a head.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable

from torch import Tensor, nn

from vidtldr.merging.attention.attend import Statistic, attend

if TYPE_CHECKING:
    from timm.models.vision_transformer import Attention, Block  # type: ignore[attr-defined]

    from vidtldr.merging.layer_call import PositionedParts


class Projected(NamedTuple):
    """What a block's attention is computed from.

    Attributes:
        normed: Tokens behind the first norm, ``[b, n, c]``.
        query: ``[b, h, n, e]``, with all that the block does to it: biases, norms, positions.
        key: ``[b, h, n, e]``, likewise.
        value: ``[b, h, n, e]``.
        scale: Factor on the scores.
        dropout: Probability of dropping an attention weight; 0 but in training.
    """

    normed: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    scale: float
    dropout: float = 0.0


@runtime_checkable
class MergeableBlock(Protocol):
    """A transformer block in parts: ``add_mlp(add_attention(x, attention of project(x)))`` is the block itself."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """The block as it is, ``[b, n, c]`` to ``[b, n, c]``."""
        ...

    def project(self, x: Tensor) -> Projected:
        """The first norm, then queries, keys and values of tokens ``[b, n, c]``."""
        ...

    def add_attention(self, x: Tensor, attended: Tensor, projected: Projected) -> Tensor:
        """Add what attention gives to the tokens: heads joined and projected, layer scale, drop path.

        Args:
            x: The tokens that were projected, ``[b, n, c]``.
            attended: Values weighted by attention, ``[b, h, n, e]``.
            projected: What it was computed from.

        Returns:
            ``[b, n, c]``.
        """
        ...

    def add_mlp(self, x: Tensor) -> Tensor:
        """Add what the feed-forward part gives, from its norm to drop path; for any number of tokens."""
        ...


@dataclass(frozen=True)
class TimmBlock:
    """timm's ``Block`` with ``Attention`` in parts, with every option that these two classes have."""

    block: "Block"

    def __call__(self, x: Tensor) -> Tensor:
        """The block as it is."""
        return cast(Tensor, self.block(x))

    def project(self, x: Tensor) -> Projected:
        """What timm's ``Attention.forward`` does before attention."""
        attn, normed = self._attention, self.block.norm1(x)
        batch, num_tokens, _ = normed.shape
        joint = attn.qkv(normed)
        width = joint.shape[-1] // (3 * attn.num_heads)  # told, since of 0 clips it could be anything
        query, key, value = joint.reshape(batch, num_tokens, 3, attn.num_heads, width).permute(2, 0, 3, 1, 4)
        dropout = attn.attn_drop.p if attn.training else 0.0
        return Projected(normed, attn.q_norm(query), attn.k_norm(key), value, attn.scale, dropout)

    def add_attention(self, x: Tensor, attended: Tensor, projected: Projected) -> Tensor:
        """What timm's ``Attention.forward`` does after attention, and the first residual of its ``Block.forward``."""
        attn = self._attention
        joined = attended.transpose(1, 2).flatten(2)  # [b, h, n, e] -> [b, n, h * e]
        joined = getattr(attn, "norm", nn.Identity())(joined)
        gate = getattr(attn, "gate", None)
        if gate is not None:
            joined = joined * gate(projected.normed).sigmoid()
        added: Tensor = self.block.drop_path1(self.block.ls1(attn.proj_drop(attn.proj(joined))))
        return x + added

    def add_mlp(self, x: Tensor) -> Tensor:
        """The second residual of timm's ``Block.forward``."""
        added: Tensor = self.block.drop_path2(self.block.ls2(self.block.mlp(self.block.norm2(x))))
        return x + added

    @property
    def _attention(self) -> "Attention":
        return cast("Attention", self.block.attn)


class FirstHalf(NamedTuple):
    """The first half of a block.

    Attributes:
        x: Tokens with attention added, ``[b, n, c]``.
        keys: ``[b, h, n, e]``.
        read: The statistic that was asked for; see :func:`~vidtldr.merging.attention.attend.attend`.
    """

    x: Tensor
    keys: Tensor
    read: Tensor | None


def run_attention(
    block: MergeableBlock, x: Tensor, *, log_mass: Tensor | None = None, statistic: Statistic | None = None
) -> FirstHalf:
    """Run the first half of a block.

    Args:
        block: The block.
        x: Tokens, ``[b, n, c]``.
        log_mass: Logarithm of their masses, ``[b, n]``; ``None`` means mass 1.
        statistic: What to read off the attention.
    """
    projected = block.project(x)
    attended, read = attend(
        projected.query,
        projected.key,
        projected.value,
        scale=projected.scale,
        log_mass=log_mass,
        statistic=statistic,
        dropout=projected.dropout,
    )
    return FirstHalf(block.add_attention(x, attended, projected), projected.key, read)


def in_parts(block: nn.Module) -> MergeableBlock | None:
    """A block as merging takes it, or ``None`` if it is of no known kind."""
    # Late: timm takes seconds to import, and whoever holds a block of it has imported it.
    from timm.models.vision_transformer import Attention, Block  # type: ignore[attr-defined]

    if type(block) is Block and type(block.attn) is Attention:  # of a subclass nobody knows what it does
        return TimmBlock(block)
    return block if isinstance(block, MergeableBlock) else None


def layer_in_parts(layer: nn.Module) -> "PositionedParts | None":
    """A layer that a model calls with more than tokens, or ``None`` if it is of no known kind."""
    from vidtldr.merging.block_kinds import eva, hugging_face  # late: they import what stands here

    return eva.eva_in_parts(layer) or hugging_face.hugging_face_in_parts(layer)


class Stack(NamedTuple):
    """The blocks of a ViT.

    Attributes:
        owner: The module that holds them.
        blocks: The blocks: one after the other, or in a list through which the owner walks.
    """

    owner: nn.Module
    blocks: nn.Sequential | nn.ModuleList

    @property
    def num_prefix(self) -> int:
        """Prefix tokens (class, registers), which stand in front and are left alone."""
        from vidtldr.merging.block_kinds.hugging_face import num_prefix_of

        return int(getattr(self.owner, "num_prefix_tokens", num_prefix_of(self.owner)))

    @property
    def checkpoints_gradients(self) -> bool:
        """Whether the ViT runs its blocks again in the backward pass, one by one."""
        of_owner = bool(getattr(self.owner, "grad_checkpointing", False))
        return of_owner or any(
            getattr(block, "gradient_checkpointing", False) for block in self.blocks._modules.values()
        )

    def parts(self) -> Iterator[tuple[nn.Module, MergeableBlock | None]]:
        """Each block, and how merging takes it."""
        for block in self.blocks._modules.values():
            assert block is not None  # of a Sequential
            yield block, in_parts(block)


def find_stack(
    model: nn.Module, *, container: type[nn.Sequential], layer_list: type[nn.ModuleList] = nn.ModuleList
) -> Stack:
    """The blocks inside a model.

    Args:
        model: A ViT, or what holds one.
        container: The class of blocks that are patched, beside ``nn.Sequential`` itself.
        layer_list: That of layers in a list, beside ``nn.ModuleList`` itself.

    Raises:
        ValueError: There is not just one stack of blocks, or merging does not know a block.
    """
    owners = [m for m in model.modules() if type(m._modules.get("blocks")) in (nn.Sequential, container)]
    name = type(model).__name__
    lists = [] if owners else list(_layer_lists(model, layer_list))
    if len(lists) == 1:
        return lists[0]
    if len(lists) > 1:
        raise ValueError(f"{name} holds {len(lists)} lists of layers of vision encoders; pass the one to merge in")
    if len(owners) != 1:
        raise ValueError(f"{name} holds {len(owners)} nn.Sequential named `blocks`; pass the one ViT to merge in")
    stack = Stack(owners[0], cast(nn.Sequential, owners[0].blocks))
    for layer, (block, parts) in enumerate(stack.parts()):
        if parts is None:
            attention: Any = type(getattr(block, "attn", None))
            raise ValueError(
                f"layer {layer} of {name} is a {type(block).__name__} with {attention.__name__}; "
                "merging knows timm's Block with Attention, and blocks that have the parts of a MergeableBlock"
            )
    return stack


def _layer_lists(model: nn.Module, layer_list: type[nn.ModuleList]) -> Iterator[Stack]:
    """The lists of layers of vision encoders inside a model, all of kinds that merging knows."""
    from vidtldr.merging.block_kinds.hugging_face import is_encoder_of_vision

    for owner in model.modules():
        for layers in owner._modules.values():
            if type(layers) in (nn.ModuleList, layer_list) and is_encoder_of_vision(owner):
                modules = list(layers._modules.values())  # type: ignore[union-attr]
                if modules and all(layer_in_parts(cast(nn.Module, layer)) is not None for layer in modules):
                    yield Stack(owner, cast(nn.ModuleList, layers))
