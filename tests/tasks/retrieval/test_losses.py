import pytest
import torch
import torch.nn.functional as F

from tests.helpers.tiny_run import IMAGE_SIZE, NUM_FRAMES, SIZE
from vidtldr.models.umt import UMT, umt_size
from vidtldr.tasks.retrieval.losses import _draw, contrastive_loss, matching_loss


def test_contrastive_loss_is_symmetric_cross_entropy_when_all_videos_differ() -> None:
    video, text = (F.normalize(torch.randn(5, 8), dim=-1) for _ in range(2))
    logits, target = video @ text.t() / 0.07, torch.arange(5)
    expected = (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2
    loss = contrastive_loss(logits, torch.arange(5))
    torch.testing.assert_close(loss, expected)


def test_two_captions_of_one_video_share_the_target() -> None:
    video = F.normalize(torch.randn(2, 8), dim=-1)
    repeated, text = video[[0, 0, 1]], video[[0, 0, 1]]
    same = contrastive_loss(repeated @ text.t() / 0.01, torch.tensor([7, 7, 9]))
    different = contrastive_loss(repeated @ text.t() / 0.01, torch.tensor([7, 8, 9]))
    torch.testing.assert_close(same, different)  # half of the weight each, either way: log 2 a row
    assert same.item() == pytest.approx(2 / 3 * 0.6931, abs=1e-3)


def test_negatives_never_come_from_the_same_video() -> None:
    identity = torch.tensor([0, 0, 1, 2])
    same = identity[:, None] == identity[None, :]
    logits = torch.full((4, 4), -1e9).masked_fill(same, 1e9)  # all of the softmax lies on the forbidden ones
    for _ in range(50):
        drawn = _draw(logits, same)
        assert (identity[drawn] != identity).all()


def test_matching_loss_trains_text_video_and_head() -> None:
    model = UMT(umt_size("umt_b", SIZE), num_frames=NUM_FRAMES, image_size=IMAGE_SIZE)
    tokens, video = model.encode_video(
        model.normalize(torch.randint(0, 256, (3, NUM_FRAMES, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8))
    )
    mask = torch.ones(3, 4, dtype=torch.long)
    hidden, text = model.encode_text(torch.randint(5, 15, (3, 4)), mask)
    loss = matching_loss(model, tokens, hidden, mask, video @ text.t(), torch.arange(3))
    loss.backward()
    for module in (model.itm_head, model.vision_encoder.patch_embed.proj, model.text_encoder.embeddings.LayerNorm):
        assert module.weight.grad.abs().sum() > 0


def test_easy_negatives_ignore_the_similarity(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "vidtldr.tasks.retrieval.losses._draw", lambda logits, same: asked.append(logits) or torch.tensor([1, 0])
    )
    model = type("Model", (), {"match_logits": staticmethod(lambda texts, masks, video_tokens: torch.zeros(6, 2))})()
    similarity, identity = torch.randn(2, 2), torch.arange(2)
    tokens, hidden, mask = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), torch.ones(2, 3)
    for hard in (True, False):
        matching_loss(model, tokens, hidden, mask, similarity, identity, hard_negatives=hard)
    hard_rows, easy_rows = asked[0], asked[2]
    assert torch.equal(hard_rows, similarity)
    assert (easy_rows == easy_rows[0, 0]).all()
