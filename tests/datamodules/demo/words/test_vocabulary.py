from pathlib import Path

import pytest

from datamodules.demo import write_clip_vocabulary, write_vocabulary
from datamodules.demo.sets.base2novel import BASE, NOVEL, class_name
from datamodules.demo.sets.retrieval import scene_of
from datamodules.demo.words.captions import make_captions
from datamodules.demo.words.grammar import grammar_words
from datamodules.demo.words.vocabulary import SPECIAL_TOKENS


@pytest.fixture
def vocabulary(tmp_path):
    write_vocabulary(tmp_path / "vocab.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["vocab.txt"]
    return (tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines()


def test_special_tokens_come_first_and_no_token_twice(vocabulary):
    assert tuple(vocabulary[:5]) == SPECIAL_TOKENS
    assert len(set(vocabulary)) == len(vocabulary)


def test_every_word_of_the_grammar_is_one_token(vocabulary):
    assert set(grammar_words()) <= set(vocabulary)


def test_any_english_text_is_tokenised_without_unknown_tokens(vocabulary, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    bert = tokenizers.BertWordPieceTokenizer(str(tmp_path / "vocab.txt"), lowercase=True)
    texts = ["The quick brown fox (no. 42) can't jump; why?", *make_captions(scene_of("test", 0), 5)]
    for text in texts:
        tokens = bert.encode(text).tokens
        assert "[UNK]" not in tokens
        assert tokens[0] == "[CLS]"
    assert tokens[1:-1] == texts[-1].split()


def test_the_words_of_the_prompts_are_complete_and_stand_once(tmp_path):
    write_clip_vocabulary(tmp_path / "clip_vocab.txt")
    words = (tmp_path / "clip_vocab.txt").read_text(encoding="utf-8").splitlines()
    prompts = {word for label in (*BASE, *NOVEL) for word in f"a photo of a {class_name(label)}".split()}
    assert set(words) == prompts
    assert len(set(words)) == len(words)
    assert all(word == word.lower() for word in words)


def test_the_stored_words_of_the_prompts_are_those_of_the_generator(tmp_path):
    write_clip_vocabulary(tmp_path / "clip_vocab.txt")
    stored = Path(__file__).parents[4] / "configs" / "demo" / "clip_vocab.txt"
    assert stored.read_bytes() == (tmp_path / "clip_vocab.txt").read_bytes()
