"""ViFi-CLIP: CLIP's two towers, and the average over frames between them."""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU, TextTransformer
from torch import Tensor, nn

from vidtldr.models.sizes import named_size
from vidtldr.models.vifi_clip.vision import CLIPVisionEncoder


@dataclass(frozen=True)
class ViFiCLIPSize:
    """What distinguishes one ViFi-CLIP from another; the defaults are ViT-B/16's.

    Attributes:
        width: Channels of an image token.
        depth: Blocks of the image tower.
        num_heads: Attention heads of the image tower.
        patch_size: Height and width of a patch in pixels.
        joint_dim: Channels of the space where videos and texts are compared.
        text_width: Channels of a text token.
        text_layers: Layers of the text tower.
        text_heads: Attention heads of the text tower.
        context_length: Longest text in tokens, start and end included.
        vocab_size: Tokens of the vocabulary.
        quick_gelu: Whether both towers compute OpenAI's quick GELU; models that others trained have the exact one.
    """

    width: int = 768
    depth: int = 12
    num_heads: int = 12
    patch_size: int = 16
    joint_dim: int = 512
    text_width: int = 512
    text_layers: int = 12
    text_heads: int = 8
    context_length: int = 77
    vocab_size: int = 49408
    quick_gelu: bool = True


VIFI_CLIP_SIZES = {"vifi_clip_b16": ViFiCLIPSize(), "vifi_clip_b32": ViFiCLIPSize(patch_size=32)}


def vifi_clip_size(backbone: str, overrides: dict[str, Any] | None = None) -> ViFiCLIPSize:
    """A published size by name; see :func:`~vidtldr.models.sizes.named_size`."""
    return named_size(VIFI_CLIP_SIZES, backbone, overrides)


class ViFiCLIP(nn.Module):
    """Video classification by the names of the classes with ViFi-CLIP (arXiv:2212.03640).

    Frames do not see each other before their features are averaged.

    Args:
        size: Widths and depths.
        image_size: Height and width of a frame in pixels.
        drop_path: Stochastic depth of the image tower, for training.

    Shapes: b clips, t frames, n texts, e joint channels.
    """

    def __init__(self, size: ViFiCLIPSize, *, image_size: int = 224, drop_path: float = 0.0) -> None:
        super().__init__()
        self.quick_gelu = size.quick_gelu
        self.vision_encoder = CLIPVisionEncoder(
            image_size=image_size,
            patch_size=size.patch_size,
            width=size.width,
            depth=size.depth,
            num_heads=size.num_heads,
            joint_dim=size.joint_dim,
            quick_gelu=size.quick_gelu,
            drop_path=drop_path,
        )
        # Causal, and read off where the token number is largest: that is the end of the text.
        self.text_encoder = TextTransformer(
            context_length=size.context_length,
            vocab_size=size.vocab_size,
            width=size.text_width,
            heads=size.text_heads,
            layers=size.text_layers,
            output_dim=size.joint_dim,
            act_layer=QuickGELU if size.quick_gelu else nn.GELU,
        )
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def token_embedding(self) -> nn.Embedding:
        """The table of token embeddings, which ViFi-CLIP does not fine-tune."""
        return self.text_encoder.token_embedding

    def encode_frames(self, clips: Tensor) -> Tensor:
        """Encode each frame of normalised clips ``[b, t, c, h, w]`` to ``[b, t, e]``, not of length 1."""
        return self.vision_encoder(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])

    def encode_video(self, clips: Tensor) -> Tensor:
        """Encode normalised clips ``[b, t, c, h, w]`` to features ``[b, e]`` of length 1, float32.

        The mean over frames comes first and the length last, so a frame with a long feature counts for more.
        """
        return F.normalize(self.encode_frames(clips).float().mean(dim=1), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Encode tokens ``[n, context]`` to features ``[n, e]`` of length 1, float32.

        Raises:
            ValueError: The texts have another number of positions than the tower.
        """
        if tokens.shape[1] != self.text_encoder.context_length:
            raise ValueError(
                f"texts of {tokens.shape[1]} positions given, the model takes {self.text_encoder.context_length}"
            )
        return F.normalize(self.text_encoder(tokens).float(), dim=-1)

    def logits(self, video: Tensor, text: Tensor) -> Tensor:
        """Scaled cosine of every video ``[b, e]`` with every text ``[n, e]``, ``[b, n]``, float32 also in autocast."""
        with torch.autocast(video.device.type, enabled=False):
            return self.logit_scale.float().exp() * video.float() @ text.float().t()
