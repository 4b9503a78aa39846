"""The UMT model for video question answering: vision encoder, question encoder, answer decoder."""

from torch import Tensor, nn

from vidtldr.models.pixels import PixelNorm
from vidtldr.models.umt.decoder import AnswerDecoder
from vidtldr.models.umt.model import UMTSize
from vidtldr.models.umt.text import BertTextEncoder


class UMTVQA(nn.Module):
    """Open-ended video question answering with UMT (arXiv:2303.16058).

    Args:
        size: Widths and depths; the decoder has as many layers as the question encoder has fusion layers.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        drop_path: Stochastic depth of the vision encoder, for training.
        dropout: Dropout of question encoder and decoder, for training.

    Shapes: m videos, t frames, n video tokens, q questions, l question positions, d channels.
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
        self.vision_encoder = size.vision_encoder(
            num_frames=num_frames, image_size=image_size, drop_path=drop_path, pool_norm=False
        )
        self.text_encoder = BertTextEncoder(size.bert_config(dropout))
        self.text_decoder = AnswerDecoder(size.decoder_config(dropout))
        self.pixel_norm = PixelNorm()

    def normalize(self, clips: Tensor) -> Tensor:
        """Turn uint8 pixels ``[m, t, c, h, w]`` into normalised ones, in the dtype of the weights."""
        return self.pixel_norm(clips).to(self.vision_encoder.patch_embed.proj.weight.dtype)

    def encode_video(self, clips: Tensor) -> Tensor:
        """Encode normalised clips ``[m, t, c, h, w]`` to tokens ``[m, n, d]``."""
        tokens, _ = self.vision_encoder(clips.transpose(1, 2))
        return tokens

    def encode_questions(self, input_ids: Tensor, attention_mask: Tensor, video_tokens: Tensor) -> Tensor:
        """Read questions while looking at their videos.

        Args:
            input_ids: Word pieces, ``[q, l]``.
            attention_mask: Nonzero for real ones, ``[q, l]``.
            video_tokens: From :meth:`encode_video`, ``[m, n, d]``, where q is a multiple of m: equal groups of
                questions share a video.

        Returns:
            Question states ``[q, l, d]``, for the decoder.
        """
        hidden = self.text_encoder.encode_text(input_ids, attention_mask)
        return self.text_encoder.fuse(hidden, attention_mask, video_tokens)
