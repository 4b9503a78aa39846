"""Word pieces for the text encoder of UMT."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor

from vidtldr.errors import UserError

DEFAULT_VOCAB = "bert-base-uncased"

_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_FILE_NAMES = ("vocab.txt", "tokenizer.json")
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_HUB_TIMEOUT_SECONDS = 5.0
_REMEDY = "pass --model.init_args.tokenizer /path/to/vocab.txt"


class UMTTokenizer:
    """Uncased WordPiece as UMT uses it: ``[CLS]`` and the pieces, **without** the usual trailing ``[SEP]``.

    Special tokens written out in a text, such as the ``[SEP]`` after an answer, are recognised.

    Args:
        vocab: A ``vocab.txt``, a ``tokenizer.json`` (only its vocabulary is used), a folder that holds one of them, or
            the name of a model on the Hugging Face hub; ``bert-base-uncased`` if not given.
        max_length: Number of positions of a text, ``[CLS]`` included; what is longer is cut off at the end.

    Raises:
        UserError: The vocabulary cannot be found, or is not one of BERT.
        ValueError: ``max_length`` is below 1.
    """

    def __init__(self, vocab: str | os.PathLike | None = None, max_length: int = 32) -> None:
        self.max_length = _checked_length(max_length)
        path = find_vocab(DEFAULT_VOCAB if vocab is None else vocab)
        token_ids = _read_vocab(path)
        missing = [token for token in _SPECIAL_TOKENS if token not in token_ids]
        if missing:
            raise UserError(f"{path} is no vocabulary of BERT: it lacks {', '.join(missing)}")
        self.vocab_size = max(token_ids.values()) + 1
        self.pad_id, self._unk_id, self.cls_id = (token_ids[token] for token in ("[PAD]", "[UNK]", "[CLS]"))
        self.mask_id = token_ids["[MASK]"]
        self._tokenizer = _word_piece(token_ids)

    def number_of(self, word: str) -> int | None:
        """Number of a word that is one piece of the vocabulary; ``None`` if it is several, or unknown."""
        ids = self._tokenizer.encode(word, add_special_tokens=False).ids
        return ids[0] if len(ids) == 1 and ids[0] != self._unk_id else None

    def __call__(
        self, texts: list[str], max_length: int | None = None, *, pad_to_longest: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Turn texts into padded token numbers.

        Args:
            texts: Cleaned texts.
            max_length: Number of positions for this call in place of the one given at construction.
            pad_to_longest: Pad only to the longest of these texts.

        Returns:
            Token numbers and mask (1 real, 0 padding), both ``[b, l]`` int64.

        Raises:
            ValueError: ``texts`` is one string, or ``max_length`` is below 1.
        """
        if isinstance(texts, str):
            raise ValueError(f"the tokenizer takes a list of texts, not the single string {texts!r}")
        limit = self.max_length if max_length is None else _checked_length(max_length)
        # One by one: `encode_batch` starts threads, and forking data loaders afterwards prints warnings.
        rows = [[self.cls_id, *self._tokenizer.encode(text, add_special_tokens=False).ids][:limit] for text in texts]
        length = max(map(len, rows), default=1) if pad_to_longest else limit
        input_ids = torch.full((len(rows), length), self.pad_id, dtype=torch.int64)
        attention_mask = torch.zeros(len(rows), length, dtype=torch.int64)
        for index, row in enumerate(rows):
            input_ids[index, : len(row)] = torch.tensor(row)
            attention_mask[index, : len(row)] = 1
        return input_ids, attention_mask


def find_vocab(vocab: str | os.PathLike) -> Path:
    """Find the file that a path or the name of a model on the hub stands for; the hub's cache is asked before the hub.

    Raises:
        UserError: There is no such file, or the hub cannot be reached.
    """
    path = Path(vocab).expanduser()
    if path.is_dir():
        files = [path / name for name in _FILE_NAMES if (path / name).is_file()]
        if not files:
            raise UserError(f"the tokenizer folder {path} holds neither {' nor '.join(_FILE_NAMES)}")
        return files[0]
    if path.is_file():
        return path
    if not _is_hub_name(vocab):
        raise UserError(f"the tokenizer vocabulary {path} does not exist")
    return _from_hub(str(vocab))


def _is_hub_name(vocab: str | os.PathLike) -> bool:
    # "google-bert/bert-base-uncased" has a separator too: what is below an existing folder, or deeper, is a path.
    if not isinstance(vocab, str) or vocab.endswith((".txt", ".json")) or not _HUB_NAME.fullmatch(vocab):
        return False
    return "/" not in vocab or not Path(vocab).parent.exists()


def _from_hub(repo: str) -> Path:
    import huggingface_hub  # takes a moment, and a local vocabulary does not need it

    for name in _FILE_NAMES:
        cached = huggingface_hub.try_to_load_from_cache(repo, name)
        if isinstance(cached, str):
            return Path(cached)
    try:
        # The download alone would retry for half a minute without a network; this request fails at once.
        url = huggingface_hub.hf_hub_url(repo, _FILE_NAMES[0])
        huggingface_hub.get_hf_file_metadata(url, timeout=_HUB_TIMEOUT_SECONDS)
        return Path(huggingface_hub.hf_hub_download(repo, _FILE_NAMES[0], etag_timeout=_HUB_TIMEOUT_SECONDS))
    except Exception as error:  # the hub's client lets errors of three libraries through
        raise UserError(
            f"the vocabulary of '{repo}' is neither cached nor reachable ({type(error).__name__}): {_REMEDY}"
        ) from error


def _read_vocab(path: Path) -> dict[str, int]:
    try:
        if path.suffix == ".json":
            return Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
        with path.open(encoding="utf-8") as lines:  # not splitlines(), which also splits at Unicode line separators
            tokens = [line.rstrip("\n") for line in lines]
    except Exception as error:  # `tokenizers` raises plain `Exception`
        raise UserError(f"cannot read the tokenizer vocabulary {path}: {error}") from error
    return {token: index for index, token in enumerate(tokens) if token}


def _word_piece(token_ids: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(token_ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)  # lower case also strips accents
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(_SPECIAL_TOKENS))
    return tokenizer


def _checked_length(max_length: int) -> int:
    if max_length < 1:
        raise ValueError(f"max_length={max_length} leaves no room for [CLS]")
    return max_length
