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
from vidtldr.storage.batch_store import BatchStore
from vidtldr.tasks.retrieval.encoded import EncodedSet
from vidtldr.tasks.retrieval.rerank import UNSCORED, Reranked, Reranking, candidates

_TINY = load("umt_tiny_retrieval")
_NUM_VIDEOS, _NUM_TEXTS = 6, 8


def _model() -> UMT:
    model = UMT(UMT_TINY_SIZE, num_frames=4, image_size=64)
    model.load_state_dict(convert_umt(dict(weights(_TINY)))[0])
    return model.eval()


def _evaluate(folder: Path, method: Method, k: int, **options: object) -> tuple[Tensor, Reranked]:
    model, mask = _model(), tensor(_TINY, "attention_mask")
    store = BatchStore(folder)
    with torch.no_grad(), merging(model.vision_encoder, method):
        tokens, video = model.encode_video(tensor(_TINY, "videos"))
        hidden, text = model.encode_text(tensor(_TINY, "input_ids"), mask)
    for number, part in enumerate((torch.tensor([4, 0, 5]), torch.tensor([2, 1, 3]))):  # batches come in any order
        store.put("videos", number, {"index": part, "tokens": tokens[part], "features": video[part]}, {})
    for number, part in enumerate(torch.arange(_NUM_TEXTS).split(5)):
        sides = {"index": part, "tokens": hidden[part], "features": text[part], "mask": mask[part]}
        store.put("texts", number, sides, {"videos": [[int(row)] for row in tensor(_TINY, "txt2img")[part]]})
    encoded = EncodedSet(store.outputs("videos"), store.outputs("texts"), _NUM_VIDEOS, _NUM_TEXTS)
    part = encoded.answerable()
    similarity = encoded.texts.features(part.queries) @ encoded.videos.features(part.videos).t()
    work = Reranking(model, encoded, part, k=k, **options)
    pairs = torch.stack([work.scores(column) for column in range(_NUM_VIDEOS)], dim=-1)
    return similarity, Reranked.of_videos([pairs])


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


@pytest.mark.parametrize("k", [1, 3, 7, 8, 20])
def test_candidates_are_those_of_a_stable_sort(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidtldr.tasks.retrieval.rerank.rows_at_a_time", lambda num_columns: 4)
    similarity = torch.randint(-2, 3, (10, 8), generator=torch.Generator().manual_seed(k)) / 4  # many are equal
    for scores in (similarity, similarity.t()):
        best = scores.argsort(dim=1, descending=True, stable=True)[:, :k]
        expected = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, best, True)
        assert torch.equal(candidates(scores, k), expected)


def test_what_is_left_out_ranks_below_everything(tmp_path: Path) -> None:
    _, scores = _evaluate(tmp_path, Base(), k=2)
    assert (scores.text_to_video == UNSCORED).sum(1).tolist() == [4] * _NUM_TEXTS
    assert (scores.video_to_text == UNSCORED).sum(1).tolist() == [6] * _NUM_VIDEOS
    scored = scores.text_to_video[scores.text_to_video != UNSCORED]
    assert scored.min() > UNSCORED


def test_what_was_broken_is_neither_in_the_gallery_nor_asked_for(tmp_path: Path) -> None:
    store = BatchStore(tmp_path)
    features = torch.eye(3)
    store.put("videos", 0, {"index": torch.tensor([0, 3]), "tokens": torch.rand(2, 4, 3), "features": features[:2]}, {})
    store.put("videos", 2, {"index": torch.tensor([], dtype=torch.int64)}, {})  # all of the batch broken
    texts = {"index": torch.arange(3), "tokens": torch.rand(3, 2, 3), "features": features, "mask": torch.ones(3, 2)}
    store.put("texts", 0, texts, {"videos": [[3], [1], [1, 0]]})
    encoded = EncodedSet(store.outputs("videos"), store.outputs("texts"), num_videos=4, num_texts=3)
    part = encoded.answerable()
    assert part.videos.tolist() == [0, 3]
    assert part.queries.tolist() == [0, 2]
    assert part.correct.tolist() == [[False, True], [True, False]]
    assert torch.equal(encoded.videos.features(part.videos), features[:2])


def test_units_keep_dtypes_and_notes_and_come_back_in_order(tmp_path: Path) -> None:
    store = BatchStore(tmp_path)
    assert store.outputs("videos") == []
    tokens = torch.randn(2, 4, 5).to(torch.bfloat16)
    store.put("videos", 12, {"tokens": tokens}, {"broken": [[3, "why"]]})
    store.put("videos", 4, {}, {})
    store.put("videos", 4, {"tokens": tokens[:1]}, {"again": True})  # takes the first one's place
    first, second = store.outputs("videos")
    assert (first.number, second.number) == (4, 12)
    assert first.notes == {"again": True}
    assert second.notes == {"broken": [[3, "why"]]}
    assert second["tokens"].dtype == torch.bfloat16
    assert torch.equal(torch.cat([first["tokens"], second["tokens"]]), tokens[[0, 0, 1]])
    assert not list(tmp_path.rglob("*.part"))
