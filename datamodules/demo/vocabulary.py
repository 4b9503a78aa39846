"""A word list in BERT's format for text encoders that are trained on the demo captions alone."""

import os
import string
from pathlib import Path

from datamodules.demo.grammar import grammar_words

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def vocabulary() -> list[str]:
    """Return the tokens in the order of their numbers.

    Special tokens, every word of the caption grammar, then single characters and their ``##`` continuations, so that
    any other lowercase English word is spelled out instead of becoming ``[UNK]``.
    """
    characters = string.ascii_lowercase + string.digits
    singles = sorted(set(characters + string.punctuation) - set(grammar_words()))
    return [*SPECIAL_TOKENS, *grammar_words(), *singles, *(f"##{character}" for character in characters)]


def write_vocabulary(path: Path | str) -> None:
    """Write ``vocab.txt``: one token a line, its number being the line's, from 0."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
