"""The UMT retrieval model: vision encoder, text and fusion encoder, projections, matching head."""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidtldr.models.pixels import PixelNorm
from vidtldr.models.sizes import named_size
from vidtldr.models.umt.text import BertConfig, BertTextEncoder
from vidtldr.models.umt.vision import UMTVisionEncoder


@dataclass(frozen=True)
class UMTSize:
    """What distinguishes one UMT from another; the defaults are UMT-B's.

    Attributes:
        width: Channels of a video token.
        depth: Blocks of the vision encoder.
        num_heads: Attention heads of the vision encoder.
        patch_size: Height and width of a patch in pixels.
        tubelet_size: Frames of a token.
        joint_dim: Channels of the space where videos and texts are compared.
        text_width: Channels of a text token.
        text_layers: Layers of the text encoder, fusion layers included.
        text_heads: Attention heads of the text encoder.
        text_intermediate: Channels inside its feed-forward part.
        fusion_layer: First text layer that attends to the video.
        vocab_size: Word pieces.
        max_positions: Longest text in tokens.
    """

    width: int = 768
    depth: int = 12
    num_heads: int = 12
    patch_size: int = 16
    tubelet_size: int = 1
    joint_dim: int = 512
    text_width: int = 768
    text_layers: int = 12
    text_heads: int = 12
    text_intermediate: int = 3072
    fusion_layer: int = 9
    vocab_size: int = 30522
    max_positions: int = 512

    def bert_config(self, dropout: float = 0.1) -> BertConfig:
        """Sizes of the text encoder."""
        return BertConfig(
            vocab_size=self.vocab_size,
            hidden_size=self.text_width,
            num_layers=self.text_layers,
            num_heads=self.text_heads,
            intermediate_size=self.text_intermediate,
            max_positions=self.max_positions,
            fusion_layer=self.fusion_layer,
            vision_width=self.width,
            dropout=dropout,
        )

    def decoder_config(self, dropout: float = 0.1) -> BertConfig:
        """Sizes of the answer decoder, which reads question states in every layer."""
        layers = self.text_layers - self.fusion_layer
        return replace(self.bert_config(dropout), num_layers=layers, fusion_layer=0, vision_width=self.text_width)

    def vision_encoder(
        self, *, num_frames: int, image_size: int, drop_path: float, pool_norm: bool = True
    ) -> UMTVisionEncoder:
        """A vision encoder of this size with random weights; see :class:`UMTVisionEncoder`."""
        return UMTVisionEncoder(
            num_frames=num_frames,
            image_size=image_size,
            patch_size=self.patch_size,
            tubelet_size=self.tubelet_size,
            width=self.width,
            depth=self.depth,
            num_heads=self.num_heads,
            pool_norm=pool_norm,
            drop_path=drop_path,
        )


UMT_SIZES = {
    "umt_b": UMTSize(),
    "umt_l": UMTSize(
        width=1024,
        depth=24,
        num_heads=16,
        joint_dim=768,
        text_width=1024,
        text_layers=24,
        text_heads=16,
        text_intermediate=4096,
        fusion_layer=19,
    ),
}


def umt_size(backbone: str, overrides: dict[str, Any] | None = None) -> UMTSize:
    """A published size by name; see :func:`~vidtldr.models.sizes.named_size`."""
    return named_size(UMT_SIZES, backbone, overrides)


class UMT(nn.Module):
    """Video-text retrieval with UMT (arXiv:2303.16058).

    Args:
        size: Widths and depths.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        drop_path: Stochastic depth of the vision encoder, for training.
        dropout: Dropout of the text encoder, for training.

    Shapes: b clips, t frames, n video tokens, l text tokens, d channels, e joint channels.
    """

    def __init__(
        self,
        size: UMTSize,
        *,
        num_frames: int = 12,
        image_size: int = 224,
        drop_path: float = 0.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.vision_encoder = size.vision_encoder(num_frames=num_frames, image_size=image_size, drop_path=drop_path)
        self.text_encoder = BertTextEncoder(size.bert_config(dropout))
        self.vision_proj = nn.Linear(size.width, size.joint_dim)
        self.text_proj = nn.Linear(size.text_width, size.joint_dim)
        self.itm_head = nn.Linear(size.text_width, 2)
        self.temp = nn.Parameter(torch.tensor(0.07))
        self.pixel_norm = PixelNorm()

    def normalize(self, clips: Tensor) -> Tensor:
        """Turn uint8 pixels ``[b, t, c, h, w]`` into normalised ones, in the dtype of the weights."""
        return self.pixel_norm(clips).to(self.vision_proj.weight.dtype)

    def encode_video(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Encode normalised clips ``[b, t, c, h, w]`` to tokens ``[b, n, d]`` and features ``[b, e]`` of length 1."""
        tokens, pooled = self.vision_encoder(clips.transpose(1, 2))
        return tokens, F.normalize(self.vision_proj(pooled).float(), dim=-1)

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encode word pieces ``[b, l]`` to hidden states ``[b, l, d]`` and features ``[b, e]`` of length 1."""
        hidden = self.text_encoder.encode_text(input_ids, attention_mask)
        return hidden, F.normalize(self.text_proj(hidden[:, 0]).float(), dim=-1)

    def match_logits(self, text_hidden: Tensor, text_mask: Tensor, **video: Any) -> Tensor:
        """Two logits a pair, ``[b, 2]``: does not match, matches.

        Args:
            text_hidden: From :meth:`encode_text`, ``[b, l, d]``.
            text_mask: Nonzero for real tokens, ``[b, l]``.
            **video: ``video_tokens`` or ``keys_values`` of ``b`` videos, or of fewer that are shared by equal groups
                of texts; see :meth:`BertTextEncoder.fuse`.
        """
        fused = self.text_encoder.fuse(text_hidden, text_mask, first_only=True, **video)
        return self.itm_head(fused[:, 0]).float()
