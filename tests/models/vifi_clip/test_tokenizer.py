"""CLIP's tokens, those of a file of words, and what is said of texts that do not fit."""

from pathlib import Path

import pytest
import torch

from vidtldr.errors import UserError
from vidtldr.models.vifi_clip import ClipTokenizer, prompts

WORDS = ["a", "photo", "of", "ball", "café"]
A, PHOTO, OF, BALL, CAFE, START, END = range(1, 8)


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def clip() -> ClipTokenizer:
    return ClipTokenizer()


def test_clip_texts_are_start_pieces_end_and_zeros(clip: ClipTokenizer) -> None:
    tokens = clip(["a photo of a cat.", "A  PHOTO of a\ncat.", ""])
    assert tokens.shape == (3, 77)
    assert tokens.dtype == torch.int64
    # The numbers of CLIP's published vocabulary.
    assert tokens[0].tolist() == [49406, 320, 1125, 539, 320, 2368, 269, 49407] + [0] * 69
    assert torch.equal(tokens[1], tokens[0])
    assert tokens[2, :3].tolist() == [49406, 49407, 0]
    assert clip.vocab_size == 49408


def test_names_without_spaces_lose_their_word_boundaries(clip: ClipTokenizer) -> None:
    assert torch.equal(clip(["JuggleOranges"]), clip(["juggleoranges"]))
    assert not torch.equal(clip(["JuggleOranges"]), clip(["juggle oranges"]))


def test_a_text_may_fill_the_context_and_no_more(clip: ClipTokenizer) -> None:
    tokens = clip(["cat " * 75])
    assert tokens[0, -1] == clip.end_id
    with pytest.raises(UserError, match=r"'(cat ){76}' makes 78 tokens with start and end, the text encoder takes 77"):
        clip(["a", "cat " * 76])


def test_words_of_a_file_are_numbered_from_1_with_the_end_last(vocab: Path) -> None:
    tokenizer = ClipTokenizer(vocab, context_length=8)
    tokens = tokenizer(["a photo of a ball.", "Ball, CAFÉ!", ""])
    assert tokens.tolist() == [
        [START, A, PHOTO, OF, A, BALL, END, 0],
        [START, BALL, CAFE, END, 0, 0, 0, 0],
        [START, END, 0, 0, 0, 0, 0, 0],
    ]
    assert tokens.dtype == torch.int64
    assert tokenizer.vocab_size == END + 1
    assert torch.equal(ClipTokenizer(str(vocab), context_length=8)(["ball"]), tokenizer(["ball"]))


def test_an_unknown_word_is_named_with_its_file(vocab: Path) -> None:
    with pytest.raises(UserError, match=r"vocab.txt does not hold the word 'zebra' of 'a Zebra'"):
        ClipTokenizer(vocab)(["a ball", "a Zebra"])
    with pytest.raises(UserError, match="'a photo of' makes 5 tokens with start and end, the text encoder takes 4"):
        ClipTokenizer(vocab, context_length=4)(["a photo of"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nRed\n", r"line 2 of .*words.txt is 'Red', not one more lower-case word"),
        (b"a\nred ball\n", "line 2 of .* is 'red ball'"),
        (b"a\n\nb\n", "line 2 of .* is ''"),
        (b"a\nb\na\n", "line 3 of .* is 'a'"),
        (b"", "words.txt holds no word"),
        (b"\xff\xfe", "cannot read the vocabulary .*words.txt"),
    ],
)
def test_a_bad_vocabulary_is_one_sentence(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        ClipTokenizer(tmp_path / "words.txt")
    assert "\n" not in str(caught.value)


def test_a_file_from_windows_or_without_a_last_line_end_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"a\r\nball")
    assert ClipTokenizer(tmp_path / "vocab.txt", context_length=4)(["a ball"]).tolist() == [[3, 1, 2, 4]]


def test_wrong_arguments_are_refused(vocab: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the vocabulary .*none.txt"):
        ClipTokenizer(vocab.parent / "none.txt")
    with pytest.raises(ValueError, match="context_length=1 leaves no room"):
        ClipTokenizer(vocab, context_length=1)
    with pytest.raises(ValueError, match="a list of texts, not the single string 'a ball'"):
        ClipTokenizer(vocab)("a ball")  # type: ignore[arg-type]
    assert ClipTokenizer(vocab)([]).shape == (0, 77)


def test_prompts_hold_the_names_as_they_are() -> None:
    names = ["JuggleOranges", "Apply {Eye} Makeup"]
    assert prompts(names) == ["a photo of a JuggleOranges.", "a photo of a Apply {Eye} Makeup."]
    assert prompts(names, "{}") == prompts(names, None) == names
    with pytest.raises(UserError, match=r"the template 'a photo' has no {} where"):
        prompts(names, "a photo")
