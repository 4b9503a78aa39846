"""Word lists for text encoders that are trained on the demo sets alone."""

import string
from pathlib import Path

from datamodules.demo.sets.base2novel import BASE, NOVEL, class_name
from datamodules.demo.sets.output import write_text
from datamodules.demo.words.grammar import added_words, grammar_words
from datamodules.demo.words.questions import question_words

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PROMPT_WORDS = ("a", "photo", "of")
"""Words of ``a photo of a {name}.``; the full stop is a word of its own."""


def vocabulary() -> list[str]:
    """Return the tokens of the captions, in BERT's format and in the order of their numbers.

    Special tokens, every word of the caption grammar, then single characters and their ``##`` continuations, so that
    any other lowercase English word is spelled out instead of becoming ``[UNK]``. What objects with borders have added
    comes last: models of captions without them keep their numbers.
    """
    return [*_plain_vocabulary(), *added_words()]


def _plain_vocabulary() -> list[str]:
    characters = string.ascii_lowercase + string.digits
    singles = sorted(set(characters + string.punctuation) - set(grammar_words()))
    return [*SPECIAL_TOKENS, *grammar_words(), *singles, *(f"##{character}" for character in characters)]


def question_vocabulary() -> list[str]:
    """Return the tokens of captions of plain objects, questions and answers.

    They begin as those of :func:`vocabulary`, so that a text encoder of the captions can be trained on.
    """
    return list(dict.fromkeys((*_plain_vocabulary(), *question_words())))


def clip_vocabulary() -> list[str]:
    """Return the words of the prompts for all base and novel classes, those of the sentence first."""
    names = (word for label in (*BASE, *NOVEL) for word in class_name(label).split())
    return list(dict.fromkeys((*PROMPT_WORDS, *names)))


def write_vocabulary(path: Path | str) -> None:
    """Write ``vocab.txt``: one token a line, its number being the line's, from 0."""
    _write_lines(Path(path), vocabulary())


def write_question_vocabulary(path: Path | str) -> None:
    """Write ``vqa_vocab.txt``, in the format of ``vocab.txt``."""
    _write_lines(Path(path), question_vocabulary())


def write_clip_vocabulary(path: Path | str) -> None:
    """Write ``clip_vocab.txt``: one lowercase word a line."""
    _write_lines(Path(path), clip_vocabulary())


def _write_lines(path: Path, lines: list[str]) -> None:
    write_text(path, "\n".join(lines) + "\n")
