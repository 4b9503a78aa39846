"""What the tasks of UMT share: a text encoder that reads word pieces."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vidtldr.errors import UserError
from vidtldr.models.sizes import check_vocabulary
from vidtldr.models.umt import UMTSize, UMTTokenizer, umt_size
from vidtldr.tasks.base import AnyBatch, Data
from vidtldr.tasks.fine_tuning.task import FineTunedTask


class UMTTask(FineTunedTask[Data, AnyBatch]):
    """A task of UMT.

    Args:
        backbone: Published size: ``umt_b`` or ``umt_l``.
        tokenizer: Vocabulary of the text encoder: a hub name, or a local vocab.txt or folder.
        dropout: Dropout of the text encoder, and of an answer decoder, while training.
    """

    tokenizer: UMTTokenizer

    def tokenize(self, texts: Sequence[str], *length: int, **options: bool) -> tuple[Tensor, Tensor]:
        """Word pieces and padding mask ``[b, l]``, on the device; options are the tokenizer's."""
        input_ids, mask = self.tokenizer(list(texts), *length, **options)
        return input_ids.to(self.device), mask.to(self.device)


def umt_sizes(backbone: str, size: dict[str, Any] | None, **max_lengths: int) -> UMTSize:
    """Sizes of a model.

    Args:
        backbone: Published size.
        size: Single sizes that differ.
        max_lengths: Longest texts of each kind by the name of the option.

    Raises:
        UserError: The text encoder has too few positions.
    """
    sizes = umt_size(backbone, size)
    for option, length in max_lengths.items():
        if length > sizes.max_positions:
            raise UserError(f"{option}={length} exceeds the {sizes.max_positions} positions of the text encoder")
    return sizes


def umt_tokenizer(vocabulary: str, sizes: UMTSize, max_length: int) -> UMTTokenizer:
    """The tokenizer of a model's texts; looked for when the weights are there, which go wrong more often.

    Raises:
        UserError: There is no such vocabulary, or the text encoder has too few embeddings for it.
    """
    tokenizer = UMTTokenizer(vocabulary, max_length=max_length)
    check_vocabulary(vocabulary, tokenizer.vocab_size, sizes.vocab_size)
    return tokenizer
