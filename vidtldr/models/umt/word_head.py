"""BERT's head that guesses words: of masked texts in pre-training, of answers in question answering."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WordHead(nn.Module):
    """Logits over the vocabulary; the output matrix is the word table of the encoder that it sits on.

    Args:
        width: Channels of a text token.
        vocab_size: Word pieces.
    """

    def __init__(self, width: int, vocab_size: int) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=1e-12))
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, hidden: Tensor, word_table: Tensor) -> Tensor:
        """Logits ``[k, v]`` of tokens ``[k, d]`` over the word table ``[v, d]``."""
        return F.linear(self.transform(hidden), word_table, self.bias)
