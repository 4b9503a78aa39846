"""Re-ranking and recall against the official evaluation's stored scores."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.helpers.reference import UMT_TINY_SIZE, load, tensor, weights
from vidtldr.merging import Base, Method, VidTLDR, merging
from vidtldr.metrics.retrieval import RetrievalRecall
from vidtldr.models.umt import UMT
from vidtldr.models.umt.checkpoint import convert_umt
from vidtldr.tasks.rerank import UNSCORED, Reranked, candidates, rerank
from vidtldr.tasks.token_store import TokenStore

_TINY = load("umt_tiny_retrieval")
_NUM_VIDEOS, _NUM_TEXTS = 6, 8


def _model() -> UMT:
    model = UMT(UMT_TINY_SIZE, num_frames=4, image_size=64)
    model.load_state_dict(convert_umt(dict(weights(_TINY)))[0])
    return model.eval()


def _evaluate(folder: Path, method: Method, k: int, **options: object) -> tuple[Tensor, Reranked]:
    model, mask = _model(), tensor(_TINY, "attention_mask")
    videos, texts = TokenStore(folder / "videos", _NUM_VIDEOS), TokenStore(folder / "texts", _NUM_TEXTS)
    with torch.no_grad(), merging(model.vision_encoder, method):
        tokens, video = model.encode_video(tensor(_TINY, "videos"))
        hidden, text = model.encode_text(tensor(_TINY, "input_ids"), mask)
    for part in (torch.tensor([4, 0, 5]), torch.tensor([2, 1, 3])):  # batches come in any order
        videos.write(part, tokens[part])
    texts.write(torch.arange(_NUM_TEXTS), hidden)
    similarity = text @ video.t()
    rows = {"video_rows": torch.arange(_NUM_VIDEOS), "text_rows": torch.arange(_NUM_TEXTS)}
    return similarity, rerank(model, similarity, videos, texts, mask, **rows, k=k, **options)


@pytest.mark.parametrize(("case", "method"), [("base", Base()), ("tldr", VidTLDR([20, 10, 5, 0]))])
@pytest.mark.parametrize("texts_per_batch", [1, 3, 64])
def test_scores_of_both_directions_equal_the_official_ones(
    case: str, method: Method, texts_per_batch: int, tmp_path: Path
) -> None:
    _, scores = _evaluate(tmp_path, method, k=4, texts_per_batch=texts_per_batch)
    torch.testing.assert_close(scores.text_to_video, tensor(_TINY, f"{case}/vtm_t2i"), atol=5e-5, rtol=0)
    torch.testing.assert_close(scores.video_to_text, tensor(_TINY, f"{case}/vtm_i2t"), atol=5e-5, rtol=0)


def test_k_beyond_the_gallery_scores_every_pair(tmp_path: Path) -> None:
    _, scores = _evaluate(tmp_path, Base(), k=128)
    torch.testing.assert_close(scores.text_to_video, tensor(_TINY, "base/vtm_t2i_full"), atol=5e-5, rtol=0)
    assert torch.equal(scores.text_to_video, scores.video_to_text.t())


@pytest.mark.parametrize(("case", "method"), [("base", Base()), ("tldr", VidTLDR([20, 10, 5, 0]))])
def test_recall_equals_the_official_metrics(case: str, method: Method, tmp_path: Path) -> None:
    similarity, scores = _evaluate(tmp_path, method, k=4)
    correct = torch.zeros(_NUM_TEXTS, _NUM_VIDEOS, dtype=torch.bool)
    correct[torch.arange(_NUM_TEXTS), tensor(_TINY, "txt2img")] = True
    for group, (t2v, v2t) in {
        "eval_vtm": (scores.text_to_video, scores.video_to_text),
        "eval_itc": (similarity, similarity.t()),
    }.items():
        # The official names are swapped against ours: img_* is text-to-video.
        for official, ours, targets in (("img", t2v, correct), ("txt", v2t, correct.t())):
            recall = RetrievalRecall()
            recall.update(ours, targets)
            for name, value in recall.compute().items():
                stored = "r_mean" if name == "mean" else name
                assert round(value.item(), 2) == float(_TINY[f"{case}/{group}/{official}_{stored}"]), (group, name)


def test_candidates_of_equal_similarity_are_the_earlier_ones() -> None:
    chosen = candidates(torch.tensor([[1.0, 2.0, 2.0, 2.0], [5.0, 0.0, 0.0, 0.0]]), k=2)
    assert chosen.tolist() == [[False, True, True, False], [True, True, False, False]]


def test_what_is_left_out_ranks_below_everything(tmp_path: Path) -> None:
    _, scores = _evaluate(tmp_path, Base(), k=2)
    assert (scores.text_to_video == UNSCORED).sum(1).tolist() == [4] * _NUM_TEXTS
    assert (scores.video_to_text == UNSCORED).sum(1).tolist() == [6] * _NUM_VIDEOS
    scored = scores.text_to_video[scores.text_to_video != UNSCORED]
    assert scored.min() > UNSCORED


def test_a_store_keeps_dtype_and_refuses_another_shape(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens", 3)
    with pytest.raises(ValueError, match="nothing was stored yet"):
        store.read(0)
    features = torch.randn(2, 4, 5).to(torch.bfloat16)
    store.write(torch.tensor([2, 0]), features)
    assert torch.equal(store.read(2), features[0])
    assert torch.equal(store.read(torch.tensor([0, 2])), features[[1, 0]])
    assert (tmp_path / "tokens").stat().st_size == 3 * 4 * 5 * 2
    with pytest.raises(ValueError, match=r"features of shape \(5, 5\) do not fit \(4, 5\)"):
        store.write(torch.tensor([1]), torch.zeros(1, 5, 5))
