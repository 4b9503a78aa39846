"""Published sizes by name, with single values changed on request."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from vidtldr.errors import UserError

SizeT = TypeVar("SizeT", bound=Any)


def named_size(sizes: Mapping[str, SizeT], name: str, overrides: Mapping[str, Any] | None = None) -> SizeT:
    """Look a size up by name and change single values of it.

    Args:
        sizes: Dataclass objects of one type by their names.
        name: Which of them.
        overrides: Fields that shall differ.

    Raises:
        ValueError: The name or a field is unknown; the message lists the legal ones.
    """
    if name not in sizes:
        raise ValueError(f"unknown backbone {name!r}: choose from {', '.join(sizes)}")
    legal = [field.name for field in fields(sizes[name])]
    for key in overrides or {}:
        if key not in legal:
            raise ValueError(f"{name} has no size {key!r}: it has {', '.join(legal)}")
    return replace(sizes[name], **(overrides or {}))


def check_vocabulary(tokenizer: str, vocab_size: int, num_embeddings: int) -> None:
    """Refuse a vocabulary that a text encoder has too few embeddings for.

    Args:
        tokenizer: What it is called.
        vocab_size: Its largest token number plus 1.
        num_embeddings: Of the text encoder.

    Raises:
        UserError: It has more tokens than there are embeddings.
    """
    if vocab_size > num_embeddings:
        raise UserError(f"tokenizer '{tokenizer}' has {vocab_size} tokens, the text encoder knows {num_embeddings}")
