"""UMT: Unmasked Teacher, video-text models."""

from vidtldr.models.umt.checkpoint import load_umt
from vidtldr.models.umt.model import UMT, UMT_SIZES, UMTSize, umt_size
from vidtldr.models.umt.tokenizer import UMTTokenizer
from vidtldr.models.umt.vision import UMTVisionEncoder

__all__ = ["UMT", "UMT_SIZES", "UMTSize", "UMTTokenizer", "UMTVisionEncoder", "load_umt", "umt_size"]
