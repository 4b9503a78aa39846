"""Recall against the reference implementation's numbers, and ranks against a stable sort."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.multiprocessing import spawn

from tests.helpers.reference import load
from vidtldr.metrics import RetrievalRecall, retrieval_ranks


def naive_rank(scores: list[float], correct: set[int]) -> int:
    order = sorted(range(len(scores)), key=lambda item: -scores[item])  # sorted() is stable
    return next(place for place, item in enumerate(order) if item in correct)


def invert(item_of: np.ndarray, num_owners: int) -> list[list[int]]:
    """Items of every owner, from the owner of every item."""
    return [np.flatnonzero(item_of == owner).tolist() for owner in range(num_owners)]


def recall_of(scores: np.ndarray, targets: list[list[int]]) -> dict[str, float]:
    metric = RetrievalRecall()
    metric.update(torch.tensor(scores), targets)
    return {name: value.item() for name, value in metric.compute().items()}


def assert_official(group: str, arrays: dict, *, t2v: dict[str, float], v2t: dict[str, float]) -> None:
    """The reference rounds to two digits, and calls video-to-text ``txt`` and text-to-video ``img``."""
    for prefix, ours in (("img", t2v), ("txt", v2t)):
        for name, official in (("r1", "r1"), ("r5", "r5"), ("r10", "r10"), ("mean", "r_mean")):
            assert round(ours[name], 2) == pytest.approx(float(arrays[f"{group}/{prefix}_{official}"]), abs=1e-6)
    r_mean = (t2v["mean"] + v2t["mean"]) / 2
    assert round(r_mean, 2) == pytest.approx(float(arrays[f"{group}/r_mean"]), abs=1e-6)


@pytest.mark.parametrize("case", ["case0", "case1", "case2"])
def test_several_texts_a_video_give_the_reference_recall(case):
    arrays = load("itm_eval")
    video_of_text = arrays[f"{case}/txt2img"]
    t2v = recall_of(arrays[f"{case}/scores_t2i"], [[video] for video in video_of_text])
    v2t = recall_of(arrays[f"{case}/scores_i2t"], invert(video_of_text, 11))
    assert_official(case, arrays, t2v=t2v, v2t=v2t)


def test_several_videos_a_text_give_the_reference_recall():
    arrays = load("itm_eval")
    text_of_video = arrays["multivideo/img2txt"]
    t2v = recall_of(arrays["multivideo/scores_t2i"], invert(text_of_video, 11))
    v2t = recall_of(arrays["multivideo/scores_i2t"], [[text] for text in text_of_video])
    assert_official("multivideo", arrays, t2v=t2v, v2t=v2t)


@pytest.mark.parametrize("variant", ["base", "tldr"])
@pytest.mark.parametrize(("group", "scores"), [("eval_vtm", "vtm"), ("eval_itc", "sim")])
def test_tiny_model_gives_the_reference_recall(variant, group, scores):
    arrays = load("umt_tiny_retrieval")
    video_of_text = arrays["txt2img"]
    t2v = recall_of(arrays[f"{variant}/{scores}_t2i"], [[video] for video in video_of_text])
    v2t = recall_of(arrays[f"{variant}/{scores}_i2t"], invert(video_of_text, 6))
    assert_official(f"{variant}/{group}", arrays, t2v=t2v, v2t=v2t)


def test_directions_of_one_oblong_matrix_are_scored_apart():
    scores = torch.tensor([[0.9, 0.1, 0.8], [0.95, 0.2, 0.1]])  # 2 texts, 3 videos
    assert retrieval_ranks(scores, [[0], [1]]).tolist() == [0, 1]
    assert retrieval_ranks(scores.T, [[0], [1], [0, 1]]).tolist() == [1, 0, 0]


def test_best_of_several_correct_items_counts():
    scores = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0]])
    assert retrieval_ranks(scores, [[4, 2, 3]]).tolist() == [2]


def test_repeated_target_counts_once():
    assert retrieval_ranks(torch.tensor([[1.0, 2.0]]), [[0, 0]]).tolist() == [1]


def test_equal_scores_rank_in_gallery_order():
    scores = torch.tensor([[0.5, 0.5, 0.9, 0.5]]).repeat(3, 1)
    assert retrieval_ranks(scores, [[0], [1], [3]]).tolist() == [1, 2, 3]


def test_constant_model_does_not_score_full_marks():
    metric = RetrievalRecall()
    metric.update(torch.zeros(20, 20), [[item] for item in range(20)])
    assert {name: value.item() for name, value in metric.compute().items()} == {
        "r1": 5.0,
        "r5": 25.0,
        "r10": 50.0,
        "mean": pytest.approx(80 / 3),
    }
    assert metric.queries == 20


def test_correct_item_outside_the_rescored_ones_ranks_behind_them():
    scores = torch.tensor([[-100.0, -100.0, -3.0, -100.0, -2.0]])
    assert retrieval_ranks(scores, [[0]]).tolist() == [2]
    assert retrieval_ranks(scores, [[3]]).tolist() == [4]


def test_infinite_scores_are_ordinary_scores():
    inf = float("inf")
    scores = torch.tensor([[-inf, 0.0, -inf], [inf, inf, 0.0]])
    assert retrieval_ranks(scores, [[2], [1]]).tolist() == [2, 1]


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_rank_equals_the_place_in_a_stable_sort(data):
    num_queries, num_items = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9))
    row = st.lists(st.sampled_from([-100.0, 0.0, 0.5, 1.0]), min_size=num_items, max_size=num_items)  # many ties
    scores = data.draw(st.lists(row, min_size=num_queries, max_size=num_queries))
    target = st.sets(st.integers(0, num_items - 1), min_size=1)
    targets = data.draw(st.lists(target, min_size=num_queries, max_size=num_queries))
    expected = [naive_rank(*pair) for pair in zip(scores, targets, strict=True)]
    lists = [sorted(items) for items in targets]
    mask = torch.tensor([[item in items for item in range(num_items)] for items in targets])
    for dtype in (torch.float16, torch.float64):
        assert retrieval_ranks(torch.tensor(scores, dtype=dtype), lists).tolist() == expected
        assert retrieval_ranks(torch.tensor(scores, dtype=dtype), mask).tolist() == expected


def test_naive_loop_gives_the_same_recall():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 30, (53, 41), generator=generator).float()
    targets = [[int(item)] for item in torch.randint(0, 41, (53,), generator=generator)]
    ranks = [naive_rank(row.tolist(), set(items)) for row, items in zip(scores, targets, strict=True)]
    expected = {f"r{k}": 100 * sum(rank < k for rank in ranks) / 53 for k in (1, 5, 10)}
    expected["mean"] = sum(expected.values()) / 3
    assert recall_of(scores.numpy(), targets) == pytest.approx(expected)


def example(num_queries: int) -> tuple[Tensor, list[list[int]]]:
    scores = torch.randint(0, 9, (num_queries, 12), generator=torch.Generator().manual_seed(1)).float()
    return scores, [[query % 12] for query in range(num_queries)]


def result(metric: RetrievalRecall) -> dict[str, float]:
    return {name: value.item() for name, value in metric.compute().items()}


def test_portions_give_the_same_as_all_at_once():
    scores, targets = example(17)
    whole, portions = RetrievalRecall(), RetrievalRecall()
    whole.update(scores, targets)
    for start in range(0, 17, 4):  # the last portion has one query
        portions.update(scores[start : start + 4], targets[start : start + 4])
    portions.update(scores[:0], [])
    assert result(portions) == result(whole)


def test_merged_states_equal_one_state():
    scores, targets = example(17)
    whole, first, second = (RetrievalRecall() for _ in range(3))
    whole.update(scores, targets)
    first.update(scores[:5], targets[:5])
    second.update(scores[5:], targets[5:])
    first.merge_state(second)
    assert result(first) == result(whole)


def score_a_share(rank: int, store: str) -> None:
    """One of two processes; the first gets 5 queries, the second 2."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    scores, targets = example(7)
    share = slice(0, 5) if rank == 0 else slice(5, 7)
    metric, whole = RetrievalRecall(), RetrievalRecall(sync_on_compute=False)
    metric.update(scores[share], targets[share])
    whole.update(scores, targets)
    assert result(metric) == result(whole)
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_add_up_to_one(tmp_path):
    spawn(score_a_share, args=(str(tmp_path / "store"),), nprocs=2)


def test_states_are_integers_of_fixed_size():
    metric = RetrievalRecall()
    metric.update(*example(7))
    states = {name: (state.dtype, state.shape) for name, state in metric.metric_state.items()}
    assert states == {
        "hits": (torch.int64, (3,)),
        "queries": (torch.int64, ()),
    }


def test_reset_forgets_everything():
    metric = RetrievalRecall()
    metric.update(*example(7))
    metric.reset()
    metric.update(torch.eye(2), [[0], [1]])
    assert metric.compute()["r1"] == 100.0
    assert metric.queries == 2


def test_other_values_of_k_name_their_results():
    metric = RetrievalRecall(top_k=(2,))
    metric.update(torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), [[1], [2]])
    assert result(metric) == {"r2": 50.0, "mean": 50.0}


def test_nan_is_refused_and_its_query_named():
    scores = torch.zeros(4, 3)
    scores[2, 1] = scores[3, 0] = torch.nan
    with pytest.raises(ValueError, match="2 of 4 queries have NaN scores, the first is 2"):
        RetrievalRecall().update(scores, [[0]] * 4)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([[0]], "1 lists of targets for 2 queries"),
        ([[0], []], "1 of 2 queries have no correct item, the first is 1"),
        ([[0], [3]], r"target 3 of query 1 is not in 0..2"),
        ([[-1], [0]], r"target -1 of query 0 is not in 0..2"),
        (torch.zeros(2, 3), r"must be bool \[2, 3\], not torch.float32 \[2, 3\]"),
        (torch.zeros(3, 2, dtype=torch.bool), r"must be bool \[2, 3\], not torch.bool \[3, 2\]"),
        (torch.zeros(2, 3, dtype=torch.bool), "2 of 2 queries have no correct item"),
    ],
)
def test_wrong_targets_are_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        retrieval_ranks(torch.zeros(2, 3), targets)


@pytest.mark.parametrize("scores", [torch.zeros(3), torch.zeros(3, 0), torch.zeros(2, 3, dtype=torch.int64)])
def test_wrong_scores_are_refused(scores):
    with pytest.raises(ValueError, match="scores must be a floating"):
        retrieval_ranks(scores, [[0]] * 3)


@pytest.mark.parametrize("options", [{"top_k": ()}, {"top_k": (0, 1)}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match="top_k"):
        RetrievalRecall(**options)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_recall_of_no_queries_is_refused():
    with pytest.raises(ValueError, match="recall of no queries is undefined"):
        RetrievalRecall().compute()


def test_ranks_do_not_depend_on_how_many_rows_are_worked_on_at_once(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 4, (11, 9), generator=generator) / 2  # many are equal
    correct = torch.randint(0, 3, (11, 9), generator=generator) == 0
    correct[:, 4] = True
    at_once = retrieval_ranks(scores, correct)
    order = scores.argsort(dim=1, descending=True, stable=True)
    expected = [int(correct[row][order[row]].nonzero()[0]) for row in range(11)]
    monkeypatch.setattr("vidtldr.metrics.retrieval.rows_at_a_time", lambda num_columns: 3)
    assert retrieval_ranks(scores, correct).tolist() == at_once.tolist() == expected
