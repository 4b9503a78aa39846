"""Tokenizers of pairs of towers."""

import json
import logging
import sys

import pytest
import torch

from tests.helpers.tiny_towers import VOCABULARY, WORDS, write_tokenizer
from vidtldr.errors import UserError
from vidtldr.models.towers import SigLIPSize
from vidtldr.models.towers.texts import clip_tokenizer, folder_tokenizer
from vidtldr.models.vifi_clip import ViFiCLIPSize

SIZE = SigLIPSize(context_length=6, vocab_size=VOCABULARY)


def number(word: str) -> int:
    return 2 + WORDS.index(word)  # after padding and the unknown word


def test_texts_are_padded_and_cut_off_before_their_end(tmp_path):
    write_tokenizer(tmp_path)
    start, end = VOCABULARY - 2, VOCABULARY - 1
    found = folder_tokenizer(tmp_path, SIZE)(["A red shape", "a red shape moves left slowly", "zebra"])
    assert found.tolist() == [
        [start, number("a"), number("red"), number("shape"), end, 0],
        [start, number("a"), number("red"), number("shape"), number("moves"), end],
        [start, 1, end, 0, 0, 0],
    ]
    assert found.dtype == torch.int64


def test_clips_own_tokens_end_where_they_are_cut_off():
    size = ViFiCLIPSize(context_length=5)
    assert clip_tokenizer(size)(["a photo", "a photo of a cat"]).tolist() == [
        [49406, 320, 1125, 49407, 0],
        [49406, 320, 1125, 539, 49407],
    ]


def test_a_tokenizer_that_does_not_fit_is_refused(tmp_path):
    write_tokenizer(tmp_path)
    with pytest.raises(UserError, match=f"has {VOCABULARY} tokens, the text encoder knows 9"):
        folder_tokenizer(tmp_path, SigLIPSize(vocab_size=9))
    with pytest.raises(UserError, match="cannot be read"):
        folder_tokenizer(tmp_path / "none", SIZE)


def test_a_clip_whose_end_token_is_not_the_last_is_refused(tmp_path):
    write_tokenizer(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "eos_token": "<pad>"}))
    with pytest.raises(UserError, match="is not its last one"):
        folder_tokenizer(tmp_path, ViFiCLIPSize(vocab_size=VOCABULARY))


def test_the_defaults_of_a_published_config_are_not_warned_about(tmp_path):
    write_tokenizer(tmp_path)
    text, vision = {"model_type": "siglip_text_model"}, {"model_type": "siglip_vision_model"}
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "siglip", "text_config": text, "vision_config": vision})
    )
    said: list[str] = []
    library, handler = logging.getLogger("transformers"), logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    level = library.level
    library.addHandler(handler)
    try:
        folder_tokenizer(tmp_path, SIZE)
    finally:
        library.removeHandler(handler)
    assert said == []
    assert library.level == level


def test_without_transformers_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match="needs transformers: pip install transformers"):
        folder_tokenizer(tmp_path, SIZE)
