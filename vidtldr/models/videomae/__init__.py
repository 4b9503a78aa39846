"""VideoMAE: a video classifier."""

from vidtldr.models.videomae.checkpoint import convert_videomae, load_videomae
from vidtldr.models.videomae.model import VIDEOMAE_SIZES, VideoMAE, VideoMAESize, videomae_size

__all__ = ["VIDEOMAE_SIZES", "VideoMAE", "VideoMAESize", "convert_videomae", "load_videomae", "videomae_size"]
