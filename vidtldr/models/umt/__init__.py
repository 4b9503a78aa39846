"""UMT: Unmasked Teacher, video-text models."""

from vidtldr.models.umt.checkpoint import load_umt
from vidtldr.models.umt.decoder import AnswerDecoder, RankedAnswers
from vidtldr.models.umt.model import UMT, UMT_SIZES, UMTSize, umt_size
from vidtldr.models.umt.tokenizer import UMTTokenizer
from vidtldr.models.umt.vision import UMTVisionEncoder
from vidtldr.models.umt.vqa import UMTVQA
from vidtldr.models.umt.vqa_checkpoint import load_umt_vqa
from vidtldr.models.umt.word_head import WordHead

__all__ = [
    "UMT",
    "UMTVQA",
    "UMT_SIZES",
    "AnswerDecoder",
    "RankedAnswers",
    "UMTSize",
    "UMTTokenizer",
    "UMTVisionEncoder",
    "WordHead",
    "load_umt",
    "load_umt_vqa",
    "umt_size",
]
