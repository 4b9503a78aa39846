"""BERT text encoder whose upper layers also look at the video, as in UMT (arXiv:2303.16058).

Parameter names are those of the published checkpoints below ``text_encoder.``; capital ``LayerNorm`` and a module
called ``self`` come from there.

Shapes: b texts, l text positions, m videos, n video tokens, h heads, d channels of a head.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one attention, each ``[m, h, n, d]``."""

_LAYER_NORM_EPS = 1e-12  # of the original BERT
_INIT_STD = 0.02  # of the original BERT
_PAD_ID = 0


@dataclass(frozen=True)
class BertConfig:
    """Size of the text encoder; the defaults are those of UMT-B.

    Args:
        vocab_size: Word pieces in the vocabulary.
        hidden_size: Width of the hidden states.
        num_layers: Layers in total, text and fusion together.
        num_heads: Attention heads; a divisor of ``hidden_size``.
        intermediate_size: Width inside the feed-forward part.
        max_positions: Longest text, in tokens.
        fusion_layer: First layer that attends to the video; the layers below see text alone.
        vision_width: Width of the video tokens.
        dropout: Dropout probability of hidden states and attention weights while training.

    Raises:
        ValueError: Sizes that contradict each other.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    intermediate_size: int = 3072
    max_positions: int = 512
    fusion_layer: int = 9
    vision_width: int = 768
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.num_heads < 1 or self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size={self.hidden_size} is not divisible by num_heads={self.num_heads}")
        if not 0 <= self.fusion_layer < self.num_layers:
            raise ValueError(f"fusion_layer={self.fusion_layer} is not in 0..{self.num_layers - 1}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout={self.dropout} is not in [0, 1)")


class BertTextEncoder(nn.Module):
    """Encode texts alone, then together with a video.

    Both halves can be called apart, since a text is encoded once but fused with many videos. One pass over all layers
    is ``fuse(encode_text(ids, mask), mask, video_tokens)``.

    Args:
        config: Sizes.
    """

    def __init__(self, config: BertConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or BertConfig()
        self.embeddings = _Embeddings(config)
        layers = [_Layer(config, sees_video=index >= config.fusion_layer) for index in range(config.num_layers)]
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(layers)})
        self.apply(_init_weights)

    @property
    def text_layers(self) -> list[_Layer]:
        """Layers that see text alone."""
        return self._layers()[: self.config.fusion_layer]

    @property
    def fusion_layers(self) -> list[_Layer]:
        """Layers with cross-attention to the video."""
        return self._layers()[self.config.fusion_layer :]

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Run the embeddings and the layers below ``fusion_layer``.

        Args:
            input_ids: Word pieces, ``[b, l]``, int64.
            attention_mask: Nonzero for real tokens and 0 for padding, ``[b, l]``; every text has a real token.

        Returns:
            Hidden states ``[b, l, hidden_size]``; position 0 stands for the whole text.

        Raises:
            ValueError: The texts are longer than the position table.
        """
        hidden = self.embeddings(input_ids)
        mask = _key_mask(attention_mask)
        for layer in self.text_layers:
            hidden = layer(hidden, mask)
        return hidden

    def project_keys_values(self, video_tokens: Tensor) -> list[KeysValues]:
        """Project video tokens for every fusion layer, once for all the texts that they will be compared with.

        Args:
            video_tokens: ``[m, n, vision_width]``.

        Returns:
            Keys and values, each ``[m, h, n, d]``, one pair a fusion layer.
        """
        return [layer.project_keys_values(video_tokens) for layer in self.fusion_layers]

    def fuse(
        self,
        text_hidden: Tensor,
        text_mask: Tensor | None,
        video_tokens: Tensor | None = None,
        video_mask: Tensor | None = None,
        *,
        keys_values: Sequence[KeysValues] | None = None,
        first_only: bool = False,
    ) -> Tensor:
        """Run the layers from ``fusion_layer`` on.

        The number of texts is a multiple of the number of videos: with ``b = m * g`` the first ``g`` texts meet video
        0, the next ``g`` video 1, and so on. So ``m = 1`` compares one video with all texts, and its tokens are not
        copied.

        Args:
            text_hidden: What :meth:`encode_text` returned, ``[b, l, hidden_size]``.
            text_mask: Nonzero for real tokens, ``[b, l]``; or for the keys that each token may see, ``[b or 1, l, l]``.
            video_tokens: ``[m, n, vision_width]``; either these or ``keys_values``.
            video_mask: Nonzero for real video tokens, ``[m, n]``; only for videos padded to a common length.
            keys_values: What :meth:`project_keys_values` returned.
            first_only: Whether position 0 alone is wanted: the last layer then computes no other.

        Returns:
            Hidden states ``[b, l, hidden_size]``, or ``[b, 1, hidden_size]``; position 0 is what the matching head
            reads.

        Raises:
            ValueError: Not exactly one of ``video_tokens`` and ``keys_values``, a wrong number of pairs, or a number of
                texts that is no multiple of the number of videos.
        """
        if (video_tokens is None) == (keys_values is None):
            raise ValueError("fuse() takes either video_tokens or keys_values")
        if video_tokens is not None:
            keys_values = self.project_keys_values(video_tokens)
        assert keys_values is not None  # for the type checker
        if len(keys_values) != len(self.fusion_layers):
            raise ValueError(f"{len(keys_values)} pairs of keys and values for {len(self.fusion_layers)} fusion layers")
        mask, video_mask = _key_mask(text_mask), _key_mask(video_mask)
        hidden, last = text_hidden, len(keys_values) - 1
        for index, (layer, pair) in enumerate(zip(self.fusion_layers, keys_values, strict=True)):
            hidden = layer(hidden, mask, pair, video_mask, first_only=first_only and index == last)
        return hidden[:, :1] if first_only else hidden

    def _layers(self) -> list[_Layer]:
        return cast("list[_Layer]", list(self.encoder["layer"].children()))


class _Embeddings(nn.Module):
    """Sum of word, position and type tables; the type is always 0."""

    position_ids: Tensor

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=_PAD_ID)
        self.position_embeddings = nn.Embedding(config.max_positions, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(2, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=_LAYER_NORM_EPS)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("position_ids", torch.arange(config.max_positions).unsqueeze(0))

    def forward(self, input_ids: Tensor) -> Tensor:
        length, longest = input_ids.shape[1], self.position_ids.shape[1]
        if length > longest:
            raise ValueError(f"a text of {length} tokens exceeds the {longest} positions of the text encoder")
        positions = self.position_embeddings(self.position_ids[:, :length])
        hidden = self.word_embeddings(input_ids) + self.token_type_embeddings.weight[0] + positions
        return self.dropout(self.LayerNorm(hidden))


class _HeadProjections(nn.Module):
    """Queries, keys and values, split into heads."""

    def __init__(self, config: BertConfig, key_width: int) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(key_width, config.hidden_size)
        self.value = nn.Linear(key_width, config.hidden_size)

    def queries(self, hidden: Tensor) -> Tensor:
        return self._split(self.query(hidden))

    def keys_values(self, tokens: Tensor) -> KeysValues:
        return self._split(self.key(tokens)), self._split(self.value(tokens))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # [b, n, h * d] -> [b, h, n, d]


class _AddNorm(nn.Module):
    """Linear layer, residual, then LayerNorm (post-norm)."""

    def __init__(self, config: BertConfig, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=_LAYER_NORM_EPS)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class _Attention(nn.Module):
    """Attention of the text to itself, or to a video whose keys and values are given."""

    def __init__(self, config: BertConfig, key_width: int) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.self = _HeadProjections(config, key_width)
        self.output = _AddNorm(config, config.hidden_size)

    def forward(
        self,
        hidden: Tensor,
        keys_values: KeysValues | None = None,
        mask: Tensor | None = None,
        first_only: bool = False,
    ) -> Tensor:
        """Attend and add.

        Args:
            hidden: Text, ``[b, l, h * d]``.
            first_only: Whether only the first token of each text asks, ``[b, 1, h * d]`` being returned.
            keys_values: Of ``m`` videos, ``b`` being a multiple of ``m``; without them the text attends to itself.
            mask: True where a key may be seen, bool, ``[m, 1, 1, n]``, or any form that broadcasts to
                ``[m, h, l, n]`` when ``m = b``.
        """
        keys, values = self.self.keys_values(hidden) if keys_values is None else keys_values
        if first_only:
            hidden = hidden[:, :1]
            mask = mask[..., :1, :] if mask is not None else None
        (num_texts, length), num_videos = hidden.shape[:2], keys.shape[0]
        if num_videos == 0 or num_texts % num_videos:
            raise ValueError(f"{num_texts} texts cannot be shared out evenly among {num_videos} videos")
        # Texts of the same video become one long row of queries: queries do not see each other, so nothing changes but
        # that keys and values need no copy for each text.
        grouped = hidden.reshape(num_videos, -1, hidden.shape[-1])
        attended = F.scaled_dot_product_attention(
            self.self.queries(grouped), keys, values, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0
        )
        attended = attended.transpose(1, 2).reshape(num_texts, length, -1)  # [m, h, g * l, d] -> [b, l, h * d]
        return self.output(attended, hidden)


class _Layer(nn.Module):
    """Self-attention, cross-attention if the layer sees the video, feed-forward."""

    def __init__(self, config: BertConfig, *, sees_video: bool) -> None:
        super().__init__()
        self.attention = _Attention(config, config.hidden_size)
        self.crossattention = _Attention(config, config.vision_width) if sees_video else None
        dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.intermediate = nn.Sequential(OrderedDict(dense=dense, gelu=nn.GELU()))
        self.output = _AddNorm(config, config.intermediate_size)

    def project_keys_values(self, video_tokens: Tensor) -> KeysValues:
        assert self.crossattention is not None, "a text layer has no keys of videos"
        return self.crossattention.self.keys_values(video_tokens)

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        keys_values: KeysValues | None = None,
        video_mask: Tensor | None = None,
        first_only: bool = False,
    ) -> Tensor:
        hidden = self.attention(hidden, mask=mask, first_only=first_only)
        if self.crossattention is not None:
            hidden = self.crossattention(hidden, keys_values, video_mask)
        return self.output(self.intermediate(hidden), hidden)


def _key_mask(mask: Tensor | None) -> Tensor | None:
    # The original adds -10000 to the logit of a padded key. In a softmax beside one real key that is exactly 0, as is
    # False here, which works in any precision.
    if mask is None:
        return None
    return mask.bool().unsqueeze(1) if mask.ndim == 3 else mask.bool()[:, None, None, :]


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=_INIT_STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
