"""Guessing masked words from the video: the third objective of UMT's pre-training."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidtldr.models.umt import UMT, WordHead

MASKED_SHARE = 0.5  # of the word pieces, as in UMT's pre-training


def mask_words(input_ids: Tensor, mask: Tensor, mask_id: int) -> tuple[Tensor, Tensor]:
    """Hide a random half of each text's word pieces, ``[CLS]`` and padding excepted.

    Returns:
        Token numbers with ``[MASK]`` in the hidden places, and which those are (bool), both ``[b, l]``.
    """
    hidden = (torch.rand(input_ids.shape, device=input_ids.device) < MASKED_SHARE) & mask.bool()
    hidden[:, 0] = False
    return input_ids.masked_fill(hidden, mask_id), hidden


def masked_word_loss(
    model: UMT, head: WordHead, video_tokens: Tensor, input_ids: Tensor, mask: Tensor, mask_id: int
) -> Tensor:
    """Cross-entropy of the hidden words, given the rest of the text and its video.

    Args:
        model: Encodes and fuses.
        head: Guesses.
        video_tokens: Tokens of each text's video, ``[b, n, d]``.
        input_ids: Word pieces, ``[b, l]``.
        mask: Nonzero for real ones, ``[b, l]``.
        mask_id: Number of ``[MASK]``.
    """
    masked_ids, hidden = mask_words(input_ids, mask, mask_id)
    text = model.text_encoder.encode_text(masked_ids, mask)
    fused = model.text_encoder.fuse(text, mask, video_tokens)
    logits = head(fused[hidden], model.text_encoder.embeddings.word_embeddings.weight)
    return F.cross_entropy(logits.float(), input_ids[hidden]) if hidden.any() else logits.sum()
