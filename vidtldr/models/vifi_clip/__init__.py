"""ViFi-CLIP: CLIP fine-tuned on videos, both towers."""

from vidtldr.models.vifi_clip.checkpoint import load_vifi_clip
from vidtldr.models.vifi_clip.model import VIFI_CLIP_SIZES, ViFiCLIP, ViFiCLIPSize, vifi_clip_size
from vidtldr.models.vifi_clip.tokenizer import ClipTokenizer, prompts
from vidtldr.models.vifi_clip.vision import CLIPVisionEncoder

__all__ = [
    "VIFI_CLIP_SIZES",
    "CLIPVisionEncoder",
    "ClipTokenizer",
    "ViFiCLIP",
    "ViFiCLIPSize",
    "load_vifi_clip",
    "prompts",
    "vifi_clip_size",
]
