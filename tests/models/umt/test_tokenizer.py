"""The tokenizer on a small vocabulary, and what it says when there is none."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import huggingface_hub
import pytest
import torch
from tokenizers import Tokenizer, models

from vidtldr.errors import UserError
from vidtldr.models.umt.tokenizer import UMTTokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "##s", "cafe", "run", "##ning", "人", "'"]
PAD, UNK, CLS, SEP = 0, 1, 2, 3
A, MAN, S, CAFE, RUN, NING, PERSON, APOSTROPHE = range(5, 13)


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def tokenizer(vocab: Path) -> UMTTokenizer:
    return UMTTokenizer(vocab, max_length=6)


def pieces_of(tokenizer: UMTTokenizer, text: str) -> list[int]:
    ids, mask = tokenizer([text], max_length=32)
    return ids[0, : int(mask.sum())].tolist()


def test_text_is_cls_and_pieces_without_a_trailing_sep(tokenizer):
    ids, mask = tokenizer(["a man", "a mans running"])
    assert ids.tolist() == [[CLS, A, MAN, PAD, PAD, PAD], [CLS, A, MAN, S, RUN, NING]]
    assert mask.tolist() == [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]]
    assert ids.dtype == mask.dtype == torch.int64


def test_truncation_keeps_one_piece_less_than_the_length(tokenizer):
    ids, mask = tokenizer(["a man running a man"], max_length=4)
    assert ids.tolist() == [[CLS, A, MAN, RUN]]
    assert mask.tolist() == [[1, 1, 1, 1]]


def test_length_of_one_leaves_only_cls(tokenizer):
    assert tokenizer(["a man"], max_length=1)[0].tolist() == [[CLS]]


def test_empty_text_is_cls_alone(tokenizer):
    ids, mask = tokenizer([""])
    assert ids.tolist() == [[CLS, 0, 0, 0, 0, 0]]
    assert mask.sum() == 1


def test_no_texts_give_an_empty_batch(tokenizer):
    assert tokenizer([])[0].shape == (0, 6)
    assert tokenizer([], pad_to_longest=True)[0].shape == (0, 1)


def test_padding_to_the_longest_still_truncates(tokenizer):
    ids, mask = tokenizer(["a", "a man"], pad_to_longest=True)
    assert ids.tolist() == [[CLS, A, PAD], [CLS, A, MAN]]
    assert mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert tokenizer(["a a a a a a a a"], pad_to_longest=True)[0].shape == (1, 6)


def test_case_and_accents_are_removed(tokenizer):
    assert pieces_of(tokenizer, "A CAFÉ") == [CLS, A, CAFE]


def test_chinese_characters_stand_alone_and_strangers_are_unknown(tokenizer):
    assert pieces_of(tokenizer, "人人 zebra 🦓") == [CLS, PERSON, PERSON, UNK, UNK]


def test_punctuation_splits_words(tokenizer):
    assert pieces_of(tokenizer, "man's") == [CLS, MAN, APOSTROPHE, UNK]


def test_written_out_special_token_is_recognised(tokenizer):
    assert pieces_of(tokenizer, "a man [SEP]") == [CLS, A, MAN, SEP]


def test_truncation_cuts_a_written_out_sep_of_a_long_answer(tokenizer):
    ids, _ = tokenizer(["a man a man [SEP]"], max_length=5)
    assert ids.tolist() == [[CLS, A, MAN, A, MAN]]


def test_special_ids_follow_the_vocabulary_file(tmp_path):
    path = tmp_path / "shuffled.txt"
    path.write_text("\n".join(reversed(PIECES)), encoding="utf-8")
    tokenizer = UMTTokenizer(path, max_length=3)
    assert tokenizer([""])[0].tolist() == [[10, 12, 12]]
    assert tokenizer(["[SEP]"])[0].tolist() == [[10, 9, 12]]
    assert (tokenizer.cls_id, tokenizer.pad_id, tokenizer.vocab_size) == (10, 12, 13)


def test_windows_line_ends_change_nothing(tmp_path, tokenizer):
    path = tmp_path / "windows.txt"
    path.write_bytes("\r\n".join(PIECES).encode())
    assert pieces_of(UMTTokenizer(path), "a mans") == pieces_of(tokenizer, "a mans")


def test_folder_and_json_file_give_the_same_as_the_text_file(vocab, tokenizer, tmp_path):
    json_path = tmp_path / "other" / "tokenizer.json"
    json_path.parent.mkdir()
    vocabulary = {piece: index for index, piece in enumerate(PIECES)}
    Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]")).save(str(json_path))
    expected = pieces_of(tokenizer, "A mans running [SEP]")
    for form in (vocab.parent, str(vocab), json_path, json_path.parent):
        assert pieces_of(UMTTokenizer(form), "A mans running [SEP]") == expected


def test_tokenizer_can_be_sent_to_another_process(tokenizer):
    assert pieces_of(pickle.loads(pickle.dumps(tokenizer)), "a mans") == pieces_of(tokenizer, "a mans")


def test_single_string_is_refused_instead_of_spelt(tokenizer):
    with pytest.raises(ValueError, match="a list of texts, not the single string 'a man'"):
        tokenizer("a man")


def test_length_below_one_is_refused(tokenizer, vocab):
    with pytest.raises(ValueError, match="max_length=0"):
        tokenizer(["a"], max_length=0)
    with pytest.raises(ValueError, match="max_length=-1"):
        UMTTokenizer(vocab, max_length=-1)


@pytest.mark.parametrize("path", ["/no/such/vocab.txt", "missing.txt", "./missing", "~/missing/vocab", Path("missing")])
def test_missing_path_is_named(path):
    with pytest.raises(UserError, match=r"the tokenizer vocabulary .*(vocab|missing).* does not exist"):
        UMTTokenizer(path)


def test_missing_file_in_an_existing_folder_is_no_hub_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    with pytest.raises(UserError, match="the tokenizer vocabulary models/bert does not exist"):
        UMTTokenizer("models/bert")


def test_folder_without_vocabulary_is_named(tmp_path):
    with pytest.raises(UserError, match=r"holds neither vocab\.txt nor tokenizer\.json"):
        UMTTokenizer(tmp_path)


def test_file_that_is_no_bert_vocabulary_is_named(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("[PAD]\n[UNK]\nhello\n")
    with pytest.raises(UserError, match=r"words.txt is no vocabulary of BERT: it lacks \[CLS\], \[SEP\], \[MASK\]"):
        UMTTokenizer(path)


@pytest.mark.parametrize(("name", "content"), [("vocab.txt", b"\xff\xfe\x00"), ("tokenizer.json", b"{")])
def test_unreadable_vocabulary_is_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"cannot read the tokenizer vocabulary .*{name}"):
        UMTTokenizer(path)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, name: None)


@pytest.mark.parametrize("name", [None, "bert-base-uncased"])
def test_unreachable_hub_is_one_sentence_with_the_remedy(empty_cache, monkeypatch, name):
    # A port that nobody listens to stands for a machine without a network, on machines with and without one.
    monkeypatch.setattr(huggingface_hub, "hf_hub_url", lambda repo, name: f"http://127.0.0.1:9/{repo}/{name}")
    environment, start = dict(os.environ), time.monotonic()
    with pytest.raises(UserError) as caught:
        UMTTokenizer(name)
    assert "vocabulary of 'bert-base-uncased' is neither cached nor reachable" in str(caught.value)
    assert str(caught.value).endswith("pass --model.init_args.tokenizer /path/to/vocab.txt")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 10
    assert dict(os.environ) == environment


def test_cached_vocabulary_needs_no_network(vocab, monkeypatch):
    asked = []
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *args, **kwargs: pytest.fail("asked the hub"))
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda repo, name: asked.append((repo, name)) or str(vocab)
    )
    assert pieces_of(UMTTokenizer("google-bert/bert-base-uncased"), "a man") == [CLS, A, MAN]
    assert asked == [("google-bert/bert-base-uncased", "vocab.txt")]


def test_reachable_vocabulary_is_downloaded(empty_cache, vocab, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url, timeout: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, name, etag_timeout: str(vocab))
    assert pieces_of(UMTTokenizer(), "a man") == [CLS, A, MAN]
