"""Pairs of towers: videos and texts encoded apart, and compared by their cosine.

Shapes: b clips, t frames, n texts, e joint channels.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F
from open_clip.transformer import TextTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from vidtldr.models.towers.sizes import PairSize, SigLIPSize
from vidtldr.models.towers.vision import SigLIPVisionEncoder
from vidtldr.models.vifi_clip import CLIPVisionEncoder, ViFiCLIP


def mean_of_frames(frames: Tensor) -> Tensor:
    """One feature a clip: the mean of its frames' directions, of length 1, float32.

    CLIP4Clip's parameter-free head (``meanP``, arXiv:2104.08860): each frame is brought to length 1 before the mean, so
    that all of them count alike, and the mean once more. ViFi-CLIP instead takes the mean of the features as they are.

    Args:
        frames: ``[b, t, e]``.

    Returns:
        ``[b, e]``.
    """
    return F.normalize(F.normalize(frames.float(), dim=-1).mean(dim=1), dim=-1)


class TowerPair(nn.Module):
    """A vision tower that sees each frame by itself, a text tower, and the scale between their cosine and logits.

    Attributes:
        vision_encoder: Images ``[b, c, h, w]`` to features ``[b, e]``, not of length 1; token merging is put on it.
        text_encoder: Tokens ``[n, context]`` to features ``[n, e]``, not of length 1.
        logit_scale: Logarithm of the factor on the cosine.
        logit_bias: What SigLIP adds to it; None for CLIP.
    """

    vision_encoder: VisionTransformer
    text_encoder: TextTransformer
    logit_scale: nn.Parameter
    logit_bias: nn.Parameter | None

    def encode_frames(self, clips: Tensor) -> Tensor:
        """Encode each frame of normalised clips ``[b, t, c, h, w]`` to ``[b, t, e]``, not of length 1."""
        features: Tensor = self.vision_encoder(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        return features

    def encode_video(self, clips: Tensor) -> Tensor:
        """Encode normalised clips ``[b, t, c, h, w]`` to ``[b, e]`` of length 1, by :func:`mean_of_frames`."""
        return mean_of_frames(self.encode_frames(clips))

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Encode tokens ``[n, context]`` to features ``[n, e]`` of length 1, float32."""
        return F.normalize(self.text_encoder(tokens).float(), dim=-1)

    def logits(self, video: Tensor, text: Tensor) -> Tensor:
        """Scaled cosine plus bias of videos ``[b, e]`` and texts ``[n, e]``, ``[b, n]``; float32 also in autocast."""
        with torch.autocast(video.device.type, enabled=False):
            logits = self.logit_scale.float().exp() * video.float() @ text.float().t()
            return logits if self.logit_bias is None else logits + self.logit_bias.float()


class CLIPPair(TowerPair, ViFiCLIP):
    """CLIP (arXiv:2103.00020), whose towers are ViFi-CLIP's, over the frames of a clip.

    Args:
        size: Widths and depths.
        image_size: Height and width of a frame in pixels.
    """

    vision_encoder: CLIPVisionEncoder
    logit_bias = None


class SigLIPPair(TowerPair):
    """SigLIP (arXiv:2303.15343) and SigLIP 2 (arXiv:2502.14786), over the frames of a clip.

    Its texts are read at their last position, whether that is padding or not; none is masked.

    Args:
        size: Widths and depths.
        image_size: Height and width of a frame in pixels.
    """

    def __init__(self, size: SigLIPSize, *, image_size: int = 224) -> None:
        super().__init__()
        self.vision_encoder = SigLIPVisionEncoder(size, image_size=image_size)
        self.text_encoder = TextTransformer(
            context_length=size.context_length,
            vocab_size=size.vocab_size,
            width=size.text_width,
            heads=size.text_heads,
            layers=size.text_layers,
            mlp_ratio=(size.text_mlp_width + 0.5) / size.text_width,  # open_clip rounds down
            output_dim=size.width,
            no_causal_mask=True,
            pool_type="last",
            proj_bias=True,
            act_layer=partial(nn.GELU, approximate="tanh") if size.text_tanh_gelu else nn.GELU,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.logit_bias = nn.Parameter(torch.tensor(-10.0))


def build_pair(size: PairSize, *, image_size: int = 224) -> TowerPair:
    """A pair with random weights.

    Args:
        size: Its type is the family.
        image_size: Height and width of a frame in pixels.
    """
    if isinstance(size, SigLIPSize):
        return SigLIPPair(size, image_size=image_size)
    return CLIPPair(size, image_size=image_size)
