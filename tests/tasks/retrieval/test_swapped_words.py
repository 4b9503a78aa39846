import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from datamodules.loading.batches import ClipBatch
from tests.helpers.tiny_run import IMAGE_SIZE, NUM_FRAMES, SIZE, write_vocabulary
from vidtldr.errors import UserError
from vidtldr.models.umt import UMTTokenizer
from vidtldr.tasks import VideoTextRetrieval
from vidtldr.tasks.retrieval.losses import contrastive_loss, matching_loss, wrong_logits
from vidtldr.tasks.retrieval.swapped_words import WrongTexts, swap_words, word_numbers

NUMBERS = [11, 12, 13]


def test_two_different_words_of_the_list_change_places() -> None:
    texts = torch.tensor([[2, 11, 7, 12, 8, 13, 0]])
    seen = set()
    for _ in range(60):
        wrong, rows = swap_words(texts, NUMBERS)
        assert rows.tolist() == [0]
        changed = (wrong != texts)[0].nonzero().squeeze(1).tolist()
        assert len(changed) == 2
        assert wrong[0, changed].tolist() == texts[0, changed].flip(0).tolist()
        seen.add(tuple(changed))
    assert seen == {(1, 3), (1, 5), (3, 5)}


def test_texts_without_two_different_words_of_the_list_are_left_out() -> None:
    texts = torch.tensor([[2, 11, 11, 7], [2, 7, 8, 9], [2, 12, 0, 0], [2, 12, 11, 12]])
    for _ in range(20):
        wrong, rows = swap_words(texts, NUMBERS)
        assert rows.tolist() == [3]
        assert wrong.sum() == texts[3].sum()
        assert not torch.equal(wrong[0], texts[3])


def test_words_are_whole_pieces_of_the_vocabulary(tmp_path: Path) -> None:
    tokenizer = UMTTokenizer(write_vocabulary(tmp_path / "vocab.txt"))
    assert tokenizer._tokenizer.decode(word_numbers(tokenizer, ["red", "blue"])) == "red blue"
    with pytest.raises(UserError, match="'crimson' is not one word piece"):
        word_numbers(tokenizer, ["red", "crimson"])
    with pytest.raises(UserError, match="'red blue' is not one word piece"):
        word_numbers(tokenizer, ["red blue", "red"])
    with pytest.raises(UserError, match="at least two different words"):
        word_numbers(tokenizer, ["red", "red"])


def test_a_wrong_caption_is_one_more_negative_of_its_video() -> None:
    video, text = (F.normalize(torch.randn(3, 8), dim=1) for _ in range(2))
    wrong = WrongTexts(torch.tensor([1]), torch.zeros(1, 4, 8), F.normalize(torch.randn(1, 8), dim=1))
    temperature = torch.tensor(0.1)
    logits = video @ text.t() / temperature
    more = torch.full((3, 1), -math.inf)
    more[1] = video[1] @ wrong.features[0] / temperature
    columns, target = torch.cat([logits, more], dim=1), torch.arange(3)
    expected = (F.cross_entropy(columns, target) + F.cross_entropy(logits.t(), target)) / 2
    loss = contrastive_loss(logits, target, wrong_logits(video, wrong, temperature))
    torch.testing.assert_close(loss, expected)


def test_a_wrong_caption_does_not_match_its_video() -> None:
    asked = {}

    def match_logits(texts, masks, video_tokens):
        asked.update(texts=texts, masks=masks, videos=video_tokens)
        return torch.tensor([[0.0, 9.0]]).repeat(len(texts), 1)  # "matches" of every pair

    model = type("Model", (), {"match_logits": staticmethod(match_logits)})()
    tokens, hidden = torch.arange(2.0).view(2, 1, 1), torch.zeros(2, 3, 1)
    mask, identity = torch.tensor([[1, 1, 0], [1, 1, 1]]), torch.arange(2)
    wrong = WrongTexts(torch.tensor([1]), torch.full((1, 3, 1), 5.0), torch.zeros(1, 8))
    pair = model, tokens, hidden, mask, torch.zeros(2, 2), identity
    without, loss = matching_loss(*pair), matching_loss(*pair, wrong=wrong)
    assert torch.equal(asked["texts"][-1], wrong.hidden[0])
    assert asked["videos"][-1].item() == 1
    assert torch.equal(asked["masks"][-1], mask[1])
    costs = F.cross_entropy(torch.tensor([[0.0, 9.0], [0.0, 9.0]]), torch.tensor([1, 0]), reduction="none")
    torch.testing.assert_close(without, (2 * costs[0] + 4 * costs[1]) / 6)
    torch.testing.assert_close(loss, (2 * costs[0] + 5 * costs[1]) / 7)


@pytest.mark.parametrize("captions", [["a red shape", "a blue shape"], ["red and blue", "blue and green"]])
def test_training_with_wrong_captions_or_without_any_in_the_batch(captions: list[str], tmp_path: Path) -> None:
    task = VideoTextRetrieval(
        size=SIZE,
        num_frames=NUM_FRAMES,
        image_size=IMAGE_SIZE,
        tokenizer=str(write_vocabulary(tmp_path / "vocab.txt")),
        max_text_length=16,
        swapped_words=["red", "blue", "green"],
    )
    task.log_dict = lambda *args, **options: None
    clips = torch.randint(0, 256, (2, NUM_FRAMES, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8)
    loss = task.training_step(
        ClipBatch(clips=clips, index=torch.arange(2), broken=[], first=0, items=2, texts=captions), 0
    )
    loss.backward()
    assert loss.isfinite()
    assert task.vision_encoder.patch_embed.proj.weight.grad.isfinite().all()
