"""Captions made wrong by exchanging two of their words: negatives that a bag of words cannot tell from the truth.

As in NegCLIP (Yuksekgonul et al., ICLR 2023), with words that the user chooses instead of those a tagger finds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vidtldr.errors import UserError
from vidtldr.models.umt import UMTTokenizer


class WrongTexts(NamedTuple):
    """Encoded captions that do not fit their videos.

    Attributes:
        rows: Which of the batch's captions they were made of, ``[w]``, int64.
        hidden: States of their words, ``[w, l, d]``.
        features: Normalised embeddings, ``[w, e]``.
    """

    rows: Tensor
    hidden: Tensor
    features: Tensor


def word_numbers(tokenizer: UMTTokenizer, words: Sequence[str]) -> list[int]:
    """Token numbers of words.

    Raises:
        UserError: There are fewer than two, or one is not a single word piece of the vocabulary.
    """
    numbers = []
    for word in words:
        if (number := tokenizer.number_of(word)) is None:
            raise UserError(f"swapped_words: '{word}' is not one word piece of the tokenizer's vocabulary")
        numbers.append(number)
    if len(set(numbers)) < 2:
        raise UserError("swapped_words needs at least two different words")
    return numbers


def swap_words(input_ids: Tensor, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Exchange two words of each text, drawn among those given, that differ.

    Args:
        input_ids: Word pieces, ``[b, l]``.
        numbers: Token numbers of the words that may be exchanged.

    Returns:
        The changed texts alone, ``[w, l]``, and their rows, ``[w]``; a text without two such words is left out.
    """
    swappable = torch.isin(input_ids, torch.tensor(numbers, device=input_ids.device))
    first = _draw(swappable)
    differs = swappable & (input_ids != input_ids.gather(1, first))
    second = _draw(differs)
    rows = differs.any(dim=1).nonzero().squeeze(1)
    places = torch.cat([first, second], dim=1)[rows]
    texts = input_ids[rows]
    return texts.scatter(1, places, texts.gather(1, places.flip(1))), rows


def _draw(allowed: Tensor) -> Tensor:
    """One allowed place in each row, ``[b, 1]``; any place where none is allowed."""
    return (torch.rand(allowed.shape, device=allowed.device) + allowed).argmax(dim=1, keepdim=True)
