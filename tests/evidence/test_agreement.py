import numpy as np
import pytest

from vidtldr.evidence.agreement import equal_area_iou, roc_auc

TRUTH = np.array([True, True, False, False, False])


@pytest.mark.parametrize(
    ("scores", "iou", "auc"),
    [
        ([5, 4, 3, 2, 1], 1, 1),
        ([1, 2, 3, 4, 5], 0, 0),
        ([5, 1, 4, 3, 2], 1 / 3, 3 / 6),  # one of two hits: 1 of 3 in the union; beats 3, then 0 of 3
        ([7, 7, 7, 7, 7], 0.8 / (4 - 0.8), 0.5),  # two places for five: 0.8 hits expected
        ([9, 5, 5, 5, 0], (1 + 1 / 3) / (4 - 4 / 3), (3 + 1 + 0.5 + 0.5) / 6),  # three share the last place
        ([0, 0, 0, 0, 1], 0.5 / (4 - 0.5), (1 + 1) / 6),  # the wrong one, and half of the place that is left hits
    ],
)
def test_values_computed_by_hand(scores, iou, auc):
    assert equal_area_iou(np.array(scores, float), TRUTH) == pytest.approx(iou)
    assert roc_auc(np.array(scores, float), TRUTH) == pytest.approx(auc)


def test_neither_order_nor_scale_of_tokens_matters():
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 4, (3, 2, 30)).astype(float)
    truth = generator.random(30) < 0.3
    order = generator.permutation(30)
    for measure in (equal_area_iou, roc_auc):
        found = measure(scores, truth)
        assert found.shape == (3, 2)
        assert measure(scores[..., order] * 1e-9 - 5, truth[order]) == pytest.approx(found)
        one_by_one = [[measure(row, truth) for row in rows] for rows in scores]
        assert np.array_equal(found, one_by_one)


def test_scikit_learn_computes_the_same_area():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(1)
    for levels in (2, 5, 1000):
        scores = generator.integers(0, levels, 144).astype(np.float32)
        truth = generator.random(144) < 0.2
        assert roc_auc(scores, truth) == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-12)


def test_ties_give_what_breaking_them_at_random_gives_on_average():
    generator = np.random.default_rng(2)
    scores, truth = generator.integers(0, 3, 40).astype(float), generator.random(40) < 0.4
    broken = scores + generator.random((20000, 40)) / 2
    area = truth.sum()
    hits = (np.argsort(-broken, axis=1)[:, :area, None] == np.flatnonzero(truth)).any(axis=-1).sum(axis=1).mean()
    assert equal_area_iou(scores, truth) == pytest.approx(hits / (2 * area - hits), abs=0.005)
    assert roc_auc(scores, truth) == pytest.approx(roc_auc(broken[:2000], truth).mean(), abs=0.005)


@pytest.mark.parametrize("truth", [np.zeros(4, bool), np.ones(4, bool)])
def test_nothing_can_be_found_where_all_tokens_are_of_one_kind(truth):
    for measure in (equal_area_iou, roc_auc):
        found = measure(np.arange(8.0).reshape(2, 4), truth)
        assert found.shape == (2,)
        assert np.isnan(found).all()
