"""Texts for the text tower: CLIP's own sub-words, or the words of a small model."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from vidtldr.errors import UserError

TEMPLATE = "a photo of a {}."
"""ViFi-CLIP's one prompt; "a" also before a vowel."""

_WORD = re.compile(r"[^\W_]+")


def prompts(names: Iterable[str], template: str | None = TEMPLATE) -> list[str]:
    """Put names of classes, as they are, into a sentence.

    Args:
        names: Names of classes.
        template: The sentence, with ``{}`` where the name belongs; None for the bare names, which the official code
            uses to evaluate plain CLIP.

    Raises:
        UserError: The template has no place for the name.
    """
    if template is None:
        return list(names)
    if "{}" not in template:
        raise UserError(f"the template {template!r} has no {{}} where the name of the class belongs")
    return [template.replace("{}", name) for name in names]


class ClipTokenizer:
    """Start, tokens, end, then zeros; the end has the largest number, by which the text tower finds it.

    Args:
        vocabulary: ``clip`` for CLIP's byte-pair encoding, or a ``vocab.txt`` of lower-case words, one a line. Words of
            a file are numbered from 1, then come start and end; punctuation separates words and is left out.
        context_length: Positions of a text, start and end included.

    Raises:
        UserError: The vocabulary cannot be read.
        ValueError: ``context_length`` is below 2.
    """

    def __init__(self, vocabulary: str | os.PathLike = "clip", context_length: int = 77) -> None:
        if context_length < 2:
            raise ValueError(f"context_length={context_length} leaves no room for start and end")
        self.context_length = context_length
        self._encode: Callable[[str], list[int]]
        if vocabulary == "clip":
            from open_clip.tokenizer import SimpleTokenizer  # takes seconds, and a file of words does not need it

            pieces = SimpleTokenizer()
            self._encode, self.start_id, self.end_id = pieces.encode, pieces.sot_token_id, pieces.eot_token_id
        else:
            words = _WordList(Path(vocabulary).expanduser())
            self._encode, self.start_id, self.end_id = words.encode, len(words) + 1, len(words) + 2
        self.vocab_size: int = self.end_id + 1

    def __call__(self, texts: list[str]) -> Tensor:
        """Turn texts into token numbers, ``[n, context]`` int64.

        Raises:
            UserError: A text is too long, or holds a word that the vocabulary file does not.
            ValueError: ``texts`` is one string.
        """
        if isinstance(texts, str):
            raise ValueError(f"the tokenizer takes a list of texts, not the single string {texts!r}")
        tokens = torch.zeros(len(texts), self.context_length, dtype=torch.int64)
        for row, text in zip(tokens, texts):
            numbers = [self.start_id, *self._encode(text), self.end_id]
            if len(numbers) > self.context_length:
                raise UserError(
                    f"{text!r} makes {len(numbers)} tokens with start and end, the text encoder takes "
                    f"{self.context_length}"
                )
            row[: len(numbers)] = torch.tensor(numbers)
        return tokens


class _WordList:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the vocabulary {path}: {error}") from error
        self._numbers: dict[str, int] = {}
        for line_number, line in enumerate(lines, start=1):
            if not line and line_number == len(lines):
                break
            if _words(line) != [line] or line in self._numbers:
                raise UserError(f"line {line_number} of {path} is {line!r}, not one more lower-case word")
            self._numbers[line] = line_number
        if not self._numbers:
            raise UserError(f"the vocabulary {path} holds no word")

    def __len__(self) -> int:
        return len(self._numbers)

    def encode(self, text: str) -> list[int]:
        unknown = [word for word in _words(text) if word not in self._numbers]
        if unknown:
            raise UserError(f"the vocabulary {self._path} does not hold the word {unknown[0]!r} of {text!r}")
        return [self._numbers[word] for word in _words(text)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
