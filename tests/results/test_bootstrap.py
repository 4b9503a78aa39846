import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidtldr.results import bootstrap
from vidtldr.results.bootstrap import Contributions, Interval, paired_interval


def contributions(hits: np.ndarray, counts: np.ndarray | None = None, combine: str = "mean") -> Contributions:
    """Of hits ``[clusters, parts]`` or ``[clusters]``, one sample a cluster if no counts are given."""
    hits = np.asarray(hits, dtype=np.float64)
    hits = hits[:, None] if hits.ndim == 1 else hits
    counts = np.ones_like(hits) if counts is None else np.asarray(counts, dtype=np.float64).reshape(hits.shape)
    return Contributions(tuple(f"video{n}" for n in range(len(hits))), hits, counts, combine)


def width(interval: Interval) -> float:
    return interval.high - interval.low


def two_halves(rng: np.random.Generator, clusters: int = 40, seeds: int = 3) -> Contributions:
    """The first half of the clusters are videos of base, the others of novel classes."""
    counts = np.zeros((clusters, 2 * seeds))
    counts[: clusters // 2, :seeds] = counts[clusters // 2 :, seeds:] = 1
    return contributions(counts * rng.integers(0, 2, counts.shape), counts, "harmonic")


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 4), clusters=st.integers(1, 30))
def test_the_score_is_the_mean_of_the_ratios_computed_one_by_one(seed, parts, clusters):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, (clusters, parts))
    hits = rng.integers(0, counts + 1)
    weights = rng.integers(0, 3, (2, clusters))
    weights[:, 0] = 1
    of = contributions(hits, counts)
    for weight, score in zip([[1] * clusters, *weights], [of.score(), *of.score(weights)], strict=True):
        ratios = []
        for part in range(parts):
            found = sum(int(w) * int(h) for w, h in zip(weight, hits[:, part], strict=True))
            ratios.append(100 * found / sum(int(w) * int(c) for w, c in zip(weight, counts[:, part], strict=True)))
        assert score == pytest.approx(sum(ratios) / parts, rel=1e-12)


def test_the_harmonic_score_is_that_of_the_published_means():
    # ViFi-CLIP, Table 4: base 92.9 and novel 67.7 have the harmonic mean 78.3.
    of = contributions([[929, 0], [0, 677]], np.array([[1000, 0], [0, 1000]]), "harmonic")
    assert round(float(of.score()), 1) == 78.3


def test_seeds_are_averaged_before_the_harmonic_mean():
    counts = np.array([[10, 10, 0, 0], [0, 0, 10, 10]])
    of = contributions([[10, 4, 0, 0], [0, 0, 2, 6]], counts, "harmonic")
    base, novel = (100 + 40) / 2, (20 + 60) / 2
    assert float(of.score()) == pytest.approx(2 * base * novel / (base + novel))


def test_a_model_without_a_hit_has_the_harmonic_mean_0():
    counts = np.array([[1, 0], [0, 1]])
    assert float(contributions(np.zeros((2, 2)), counts, "harmonic").score()) == 0


def test_a_score_without_a_count_is_nan():
    assert math.isnan(contributions([[1, 0]], np.array([[1, 0]])).score())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), combine=st.sampled_from(["mean", "harmonic"]))
def test_equal_methods_differ_by_exactly_nothing(seed, combine):
    rng = np.random.default_rng(seed)
    of = two_halves(rng) if combine == "harmonic" else contributions(rng.integers(0, 2, (30, 3)))
    assert paired_interval(of, of, draws=50) == Interval(0.0, 0.0, 0.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), combine=st.sampled_from(["mean", "harmonic"]))
def test_swapping_the_methods_mirrors_the_interval(seed, combine):
    rng = np.random.default_rng(seed)
    one, other = (
        (two_halves(rng), two_halves(rng))
        if combine == "harmonic"
        else (contributions(rng.integers(0, 2, (30, 3))) for _ in range(2))
    )
    there, back = paired_interval(one, other, draws=200), paired_interval(other, one, draws=200)
    assert (there.low, there.high, there.difference) == pytest.approx((-back.high, -back.low, -back.difference))


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(0)
    difficulty = rng.uniform(0.2, 0.9, 100_000)
    truth = 100 * np.mean(np.clip(difficulty + 0.05, 0, 1) - difficulty)
    covered = []
    for number in range(400):
        videos = rng.choice(difficulty, 120)
        counts = rng.integers(1, 6, videos.size)  # captions of one video share its difficulty
        base = contributions(rng.binomial(counts, videos), counts)
        method = contributions(rng.binomial(counts, np.clip(videos + 0.05, 0, 1)), counts)
        interval = paired_interval(method, base, draws=400, seed=number)
        covered.append(interval.low <= truth <= interval.high)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_a_wider_level_covers_more():
    rng = np.random.default_rng(1)
    method, base = (contributions(rng.integers(0, 2, 100)) for _ in range(2))
    assert width(paired_interval(method, base, level=0.99)) > width(paired_interval(method, base, level=0.8))


def test_methods_that_mostly_agree_have_a_narrower_interval_than_unpaired_ones():
    rng = np.random.default_rng(2)
    base = rng.integers(0, 2, 300)
    method = np.where(rng.random(300) < 0.05, 1 - base, base)
    paired = paired_interval(contributions(method), contributions(base))
    unpaired = paired_interval(contributions(method), contributions(rng.permutation(base)))
    assert width(paired) < width(unpaired) / 2


def test_correlated_samples_give_a_wider_interval_than_independent_ones():
    rng = np.random.default_rng(3)
    per_video = rng.integers(0, 2, (2, 60, 1)) * np.ones((2, 60, 20), dtype=int)  # all captions of a video alike
    clustered = [contributions(hits.sum(axis=1), np.full(60, 20)) for hits in per_video]
    independent = [contributions(hits.ravel()) for hits in per_video]
    assert width(paired_interval(*clustered)) > 3 * width(paired_interval(*independent))


def test_each_half_keeps_its_number_of_clusters():
    counts = np.array([[1, 0]] * 3 + [[0, 2]] * 30)
    base = contributions(counts, counts, "harmonic")
    for weights in bootstrap._draws(base, base, draws=50, seed=0):
        assert (weights[:, :3].sum(axis=1) == 3).all()
        assert (weights[:, 3:].sum(axis=1) == 30).all()


def test_the_number_drawn_is_that_of_the_clusters_with_counts():
    base = contributions([1, 0, 0, 1, 0], np.array([1, 1, 0, 1, 1]))
    for weights in bootstrap._draws(base, base, draws=20, seed=0):
        assert (weights.sum(axis=1) == 4).all()
        assert not weights[:, 2].any()


@pytest.mark.parametrize("combine", ["mean", "harmonic"])
def test_the_size_of_a_portion_changes_nothing(monkeypatch, combine):
    rng = np.random.default_rng(4)
    method, base = (
        (two_halves(rng), two_halves(rng))
        if combine == "harmonic"
        else (contributions(rng.integers(0, 2, (41, 3))) for _ in range(2))
    )
    whole = paired_interval(method, base, draws=101)
    monkeypatch.setattr(bootstrap, "_PORTION", 7 * 41)
    assert paired_interval(method, base, draws=101) == whole


def test_no_portion_is_larger_than_the_bound():
    many = contributions(np.ones((30_000, 1)))
    sizes = [weights.size for weights in bootstrap._draws(many, many, draws=100, seed=0)]
    assert max(sizes) <= bootstrap._PORTION
    assert sum(sizes) == 100 * 30_000


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    rng = np.random.default_rng(5)
    method, base = (contributions(rng.integers(0, 2, (50, 2))) for _ in range(2))
    assert paired_interval(method, base, seed=1) == paired_interval(method, base, seed=1)
    assert paired_interval(method, base, seed=1) != paired_interval(method, base, seed=2)


def test_the_order_of_the_clusters_does_not_matter():
    rng = np.random.default_rng(6)
    method, base = (contributions(rng.integers(0, 2, (50, 2))) for _ in range(2))
    assert paired_interval(method, base.aligned(base.clusters[::-1])) == paired_interval(method, base)


def test_draws_in_which_a_part_has_no_count_are_left_out():
    counts = np.array([[1, 1], [1, 0]])  # one draw in four has the second video only
    method, base = contributions([[1, 1], [0, 0]], counts), contributions([[0, 0], [0, 0]], counts)
    interval = paired_interval(method, base, draws=500)
    # (1/2 + 1) / 2 and, with the first video twice, 1
    assert (interval.low, interval.high, interval.difference) == (75.0, 100.0, 75.0)


def test_clusters_of_one_method_alone_are_refused():
    one, other = contributions([1, 0, 1]), contributions([1, 0])
    with pytest.raises(ValueError, match="1 clusters have results of one of the two only: video2"):
        paired_interval(one, other)


@pytest.mark.parametrize(
    ("hits", "counts", "combine", "said"),
    [
        (np.ones((2, 1)), np.ones((2, 2)), "mean", r"must both be \[clusters, parts\]"),
        (np.ones((3, 1)), np.ones((3, 1)), "mean", "with 2 clusters"),
        (np.ones((2, 0)), np.ones((2, 0)), "mean", "must both be"),
        (np.full((2, 1), np.nan), np.ones((2, 1)), "mean", "must be finite"),
        (np.ones((2, 1)), -np.ones((2, 1)), "mean", "not negative"),
        (np.ones((2, 1)), np.ones((2, 1)), "median", "combine='median' must be one of mean, harmonic"),
        (np.ones((2, 3)), np.ones((2, 3)), "harmonic", "3 parts are not as many seeds"),
    ],
)
def test_contributions_that_do_not_fit_are_refused(hits, counts, combine, said):
    with pytest.raises(ValueError, match=said):
        Contributions(("a", "b"), hits, counts, combine)


def test_two_clusters_of_one_name_are_refused():
    with pytest.raises(ValueError, match="same name"):
        Contributions(("a", "a"), np.ones((2, 1)), np.ones((2, 1)), "mean")


def test_what_cannot_be_compared_is_refused():
    one = contributions([[1, 0]])
    with pytest.raises(ValueError, match="cannot compare the mean of 2 parts with the harmonic of 2"):
        paired_interval(one, contributions([[1, 0]], combine="harmonic"))
    with pytest.raises(ValueError, match="'video0' counts among base and novel"):
        paired_interval(*[contributions([[1, 0]], combine="harmonic")] * 2)
    with pytest.raises(ValueError, match="nothing was counted in one of the parts"):
        paired_interval(*[contributions([[1, 0]], np.array([[1, 0]]))] * 2)
    with pytest.raises(ValueError, match="draws=0 must be at least 1"):
        paired_interval(one, one, draws=0)
