"""From texts to the token numbers of a text tower."""

import os
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import one_line
from vidtldr.models.hub_name import parse_hub_name
from vidtldr.models.sizes import check_vocabulary
from vidtldr.models.towers.sizes import PairSize, SigLIPSize

CLIP_VOCABULARY = 49408
"""Tokens of CLIP's byte-pair encoding."""

Tokenizer = Callable[[list[str]], Tensor]
"""Texts to token numbers ``[n, context]``, int64; what is too long is cut off, with an end token where there is one."""

_FILES = ("tokenizer.json", "tokenizer_config.json", "spiece.model", "vocab.json")  # one of them is in every folder


def clip_tokenizer(size: PairSize) -> Tokenizer:
    """CLIP's own byte-pair encoding, from open_clip.

    Raises:
        UserError: The text tower has another vocabulary.
    """
    from open_clip.tokenizer import SimpleTokenizer  # takes seconds

    check_vocabulary("clip", CLIP_VOCABULARY, size.vocab_size)
    return SimpleTokenizer(context_length=size.context_length)


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer of transformers."""
    return any((folder / name).is_file() for name in _FILES)


def folder_tokenizer(name: str | os.PathLike, size: PairSize) -> Tokenizer:
    """The tokenizer of a folder or of a model of the hub, as transformers reads it.

    Args:
        name: A folder, or ``org/name`` or ``org/name@revision``.
        size: Of the pair it is for.

    Raises:
        UserError: transformers is not installed or cannot read it, or it does not fit the text tower.
    """
    try:
        from transformers import AutoTokenizer, logging
    except ImportError as error:
        raise UserError(f"the tokenizer of '{name}' needs transformers: pip install transformers") from error
    hub = None if Path(name).is_dir() else parse_hub_name(str(name))
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it warns of defaults of its own in the configs of published SigLIPs
    try:
        reader = AutoTokenizer.from_pretrained(hub.repo if hub else str(name), revision=hub.revision if hub else None)
    except Exception as error:  # transformers, its hub client and two tokenizer libraries let theirs through
        raise UserError(
            f"the tokenizer of '{name}' cannot be read ({one_line(error)}): give another as --model.tokenizer"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    check_vocabulary(str(name), len(reader), size.vocab_size)
    if reader.pad_token_id is None:
        raise UserError(f"the tokenizer of '{name}' has no padding token")
    if not isinstance(size, SigLIPSize) and reader.eos_token_id != max(reader.get_vocab().values()):
        raise UserError(
            f"the end token of the tokenizer of '{name}' is not its last one, where CLIP's text tower looks for it"
        )

    def tokenize(texts: list[str]) -> Tensor:
        numbers = reader(
            texts, padding="max_length", truncation=True, max_length=size.context_length, return_tensors="pt"
        )
        ids: Tensor = numbers["input_ids"]
        return ids

    return tokenize
