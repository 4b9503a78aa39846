"""Layers of Hugging Face vision transformers in parts: a table of names a family.

The families differ in how they call their parts, and hardly in what these do: a norm, queries, keys and values apart,
a projection, a second norm, a feed-forward part. V-JEPA 2 also turns queries and keys by three positions
(``vjepa2.py``).

Notation: b clips, n tokens, c channels, h heads, e channels of a head.
"""

import inspect
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, cast

from torch import Tensor, nn

from vidtldr.merging.block_kinds import vjepa2
from vidtldr.merging.block_kinds.side import Side, refuse_mask
from vidtldr.merging.blocks import Projected


@dataclass(frozen=True)
class Names:
    """How the layers of a family call their parts; a dot leads into a part.

    Attributes:
        layer: The class of a layer.
        attention: The module that has the numbers below and the three projections.
        attention_class: Its class.
        projections: Those of queries, keys and values, in ``attention``.
        head_width: Channels of a head, in ``attention``.
        scale: Factor on the scores, in ``attention``.
        dropout: Probability of dropping an attention weight, in ``attention``.
        norms: Before attention, and before the feed-forward part.
        after_attention: What the joined heads run through, in turn.
        mlp: What the second norm's output runs through, in turn.
        second: What a layer takes as its second argument; where these are places, they turn queries and keys.
        gives_tuple: Whether a layer returns its tokens as the first of two outputs.
    """

    layer: str
    attention: str
    attention_class: str
    projections: tuple[str, str, str]
    head_width: str
    scale: str
    dropout: str
    norms: tuple[str, str]
    after_attention: tuple[str, ...]
    mlp: tuple[str, ...]
    second: Literal["attention_mask", "position_mask"] | None = "attention_mask"
    gives_tuple: bool = False


_OF_VIT = ("query", "key", "value")
_OF_CLIP = ("q_proj", "k_proj", "v_proj")


def _like_clip(family: str) -> Names:
    return Names(
        layer=f"{family}EncoderLayer",
        attention="self_attn",
        attention_class=f"{family}Attention",
        projections=_OF_CLIP,
        head_width="head_dim",
        scale="scale",
        dropout="dropout",
        norms=("layer_norm1", "layer_norm2"),
        after_attention=("self_attn.out_proj",),
        mlp=("mlp",),
    )


def _like_vit(family: str) -> Names:
    return Names(
        layer=f"{family}Layer",
        attention="attention.attention",
        attention_class=f"{family}SelfAttention",
        projections=_OF_VIT,
        head_width="attention_head_size",
        scale="scaling",
        dropout="dropout_prob",
        norms=("layernorm_before", "layernorm_after"),
        after_attention=("attention.output.dense", "attention.output.dropout"),
        mlp=("intermediate", "output.dense", "output.dropout"),
        second=None,
    )


FAMILIES = (
    _like_vit("VideoMAE"),
    _like_vit("Vivit"),  # until transformers 5.0; later it is the next
    Names(
        layer="VivitLayer",
        attention="attention",
        attention_class="VivitAttention",
        projections=_OF_CLIP,
        head_width="head_dim",
        scale="scaling",
        dropout="attention_dropout",
        norms=("layernorm_before", "layernorm_after"),
        after_attention=("attention.o_proj", "dropout"),
        mlp=("mlp", "dropout"),
    ),
    _like_clip("CLIP"),
    _like_clip("Siglip"),
    _like_clip("Siglip2"),
    Names(
        layer="VJEPA2Layer",
        attention="attention",
        attention_class="VJEPA2RopeAttention",
        projections=_OF_VIT,
        head_width="attention_head_size",
        scale="scaling",
        dropout="dropout_prob",
        norms=("norm1", "norm2"),
        after_attention=("attention.proj", "drop_path"),
        mlp=("mlp", "drop_path"),
        second="position_mask",
        gives_tuple=True,
    ),
)
"""The families, each with the names of its parts in transformers 5."""


@dataclass(frozen=True)
class HuggingFaceParts:
    """A layer of a Hugging Face vision transformer in parts."""

    layer: nn.Module
    names: Names

    def run(self, x: Tensor, *args: Any, **options: Any) -> Tensor:
        """The layer as it is, called as the model calls it."""
        output = self.layer(x, *args, **options)
        return cast(Tensor, output[0] if self.names.gives_tuple else output)

    def side(self, x: Tensor, beside: Tensor | None = None, **options: object) -> Side:
        """The position of each token, for families whose layers ask for it.

        Args:
            x: Tokens as they enter, ``[b, n, c]``.
            beside: What the model hands to the layer as its second argument: the places of its tokens in the grid,
                ``[b, n]``, int64, for V-JEPA 2; None for the others, whose second argument is a mask.
            options: The mask, or the places, by their names; others change nothing.

        Raises:
            ValueError: Attention is masked.
        """
        if self.names.second != "position_mask":
            refuse_mask(cast(Tensor | None, options.get("attention_mask", beside)))
            return ()
        places = cast(Tensor | None, options.get("position_mask", beside))
        return (vjepa2.positions(x, places, grid_size=self._attention.grid_size),)

    def project(self, x: Tensor, side: Side = ()) -> Projected:
        """The first norm, queries, keys and values; ``side`` as :meth:`side` gives it."""
        names, attention = self.names, self._attention
        normed, width = self._run(x, names.norms[:1]), int(getattr(attention, names.head_width))
        query, key, value = (
            _projected(attention, name, normed).unflatten(-1, (-1, width)).transpose(1, 2) for name in names.projections
        )
        if names.second == "position_mask":
            (positions,) = side or self.side(x)
            query, key = (vjepa2.turn(attention, part, positions) for part in (query, key))
        dropout = float(getattr(attention, names.dropout)) if attention.training else 0.0
        return Projected(normed, query, key, value, float(getattr(attention, names.scale)), dropout)

    def add_attention(self, x: Tensor, attended: Tensor, projected: Projected) -> Tensor:
        """The first residual of the layer."""
        return x + self._run(attended.transpose(1, 2).flatten(2), self.names.after_attention)

    def add_mlp(self, x: Tensor) -> Tensor:
        """The second residual of the layer."""
        return x + self._run(x, (self.names.norms[1], *self.names.mlp))

    def answer(self, x: Tensor) -> Tensor | tuple[Tensor, None]:
        """Tokens ``[b, n, c]`` as the model's own loop expects them of a layer; attention maps there are none."""
        return (x, None) if self.names.gives_tuple else x

    @property
    def _attention(self) -> Any:  # each family has a class of its own
        return self.layer.get_submodule(self.names.attention)

    def _run(self, x: Tensor, path: tuple[str, ...]) -> Tensor:
        for name in path:
            x = self.layer.get_submodule(name)(x)
        return x


def _projected(attention: Any, name: str, normed: Tensor) -> Tensor:
    """One of queries, keys and values ``[b, n, h e]``; early VideoMAE has the biases beside its projections."""
    bias: Tensor | None = getattr(attention, f"{name[0]}_bias", None)
    projected: Tensor = getattr(attention, name)(normed)
    return projected if bias is None else projected + bias


def hugging_face_in_parts(layer: nn.Module) -> HuggingFaceParts | None:
    """A layer as merging takes it, or ``None`` if it is of no known family, or runs in a way of its own."""
    for names in FAMILIES:
        if _runs_as(layer, names.layer):
            path = names.attention.split(".")
            attention = reduce(lambda module, name: getattr(module, name, None), path, cast(object, layer))
            if _runs_as(attention, names.attention_class):
                return HuggingFaceParts(layer, names)
    return None


def num_prefix_of(owner: nn.Module) -> int:
    """Tokens in front of the patches that a model's head reads: a class token, or the first patch."""
    config: Any = getattr(owner, "config", None)
    if type(config).__name__ == "VideoMAEConfig":
        return 0 if config.use_mean_pooling else 1  # without the mean, its classifier reads the first patch
    return int(type(config).__name__ in ("VivitConfig", "CLIPVisionConfig"))


def is_encoder_of_vision(owner: nn.Module) -> bool:
    """Whether layers are those of a vision encoder; families use the same ones in text towers and decoders."""
    is_other = type(owner).__name__.endswith(("Decoder", "Predictor"))
    return not is_other and "Text" not in type(getattr(owner, "config", None)).__name__


def _runs_as(module: object, name: str) -> bool:
    """Whether a module is of a class of transformers, or of one derived from it that keeps its ``forward``."""
    for known in type(module).__mro__:
        if known.__name__ == name and known.__module__.startswith("transformers.models."):
            # Unwrapped: transformers wraps the inherited `forward` of each derived class for gradient checkpointing.
            return inspect.unwrap(type(module).forward) is inspect.unwrap(known.forward)  # type: ignore[attr-defined]
    return False
