"""Curves against counts made one by one."""

import numpy as np
import pytest

from vidtldr.results.bootstrap import Contributions
from vidtldr.results.curves import found_among_first, running_score


def ranked(ranks: list[int], **more: str) -> list[dict]:
    return [{"video": f"v{number}", "rank": rank, **more} for number, rank in enumerate(ranks)]


def test_the_curve_over_k_counts_what_is_found_among_the_first() -> None:
    ranks = [1, 1, 2, 5, 9, 30]
    (curve,) = found_among_first(ranked(ranks)).values()
    assert [k for k, _ in curve][:9] == list(range(1, 10))
    assert curve[-1] == (30, 100.0)
    for k, found in curve:
        assert found == pytest.approx(100 * sum(rank <= k for rank in ranks) / len(ranks))


def test_directions_and_halves_have_curves_of_their_own() -> None:
    samples = ranked([1, 2], query="text") + ranked([3], query="video")
    assert found_among_first(samples) == {
        "t2v": [(1, 50.0), (2, 100.0)],
        "v2t": [(1, 0.0), (2, 0.0), (3, 100.0)],
    }
    assert set(found_among_first(ranked([1], half="base") + ranked([4], half="novel"))) == {"base", "novel"}
    assert found_among_first([{"video": "v", "correct": True}]) == {}


def test_many_k_are_thinned_alike_for_every_method() -> None:
    steps = [{k for k, _ in found_among_first(ranked([1, last]))["all"]} for last in (900, 1000)]
    assert all(len(each) < 70 for each in steps)
    assert steps[0] - {900} <= steps[1]


def test_the_running_score_is_that_of_the_first_videos_alone() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 4, (40, 3)).astype(float)
    hits = np.floor(counts * rng.random((40, 3)))
    names = tuple(f"v{number}" for number in range(40))
    curve = running_score(Contributions(names, hits, counts, "mean"))
    assert [step for step, _ in curve] == list(range(1, 41))
    for step, score in curve:
        first = Contributions(names[:step], hits[:step], counts[:step], "mean")
        assert score == pytest.approx(float(first.score()))


def test_base_and_novel_videos_come_in_turn() -> None:
    counts = np.zeros((9, 2))
    counts[:6, 0] = counts[6:, 1] = 1  # six base videos, then three novel ones
    of = Contributions(tuple("abcdefghi"), counts * np.array([[1], [0]] * 4 + [[1]]), counts, "harmonic")
    curve = running_score(of)
    assert [step for step, _ in curve][:2] == [3, 4]  # with the first novel video both have one
    assert curve[-1] == (9, pytest.approx(float(of.score())))


def test_a_long_test_set_is_thinned_and_keeps_its_end() -> None:
    ones = np.ones((5000, 1))
    curve = running_score(Contributions(tuple(map(str, range(5000))), ones, ones, "mean"))
    assert len(curve) <= 500
    assert (curve[0], curve[-1]) == ((1, 100.0), (5000, 100.0))


def test_no_videos_have_no_curve() -> None:
    nothing = np.zeros((0, 1))
    assert running_score(Contributions((), nothing, nothing, "mean")) == []
