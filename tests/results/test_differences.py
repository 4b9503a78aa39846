"""Each method against each baseline, whatever comes first."""

import itertools

import numpy as np
import pytest

from vidtldr.errors import UserError
from vidtldr.evaluation.methods import build_methods
from vidtldr.results.bootstrap import Contributions, paired_interval
from vidtldr.results.differences import choose_baselines, compare, pairs

BASELINES = ["base", "tome"]
SPEC = {"tome": {"r": 3}, "plain": {"method": "base"}, "wide": {"method": "tome", "r": 9}}


@pytest.fixture(scope="module")
def contributions() -> dict[str, Contributions]:
    rng = np.random.default_rng(0)
    videos = tuple(f"video{number}" for number in range(60))
    shares = {"base": 0.8, "tome": 0.6, "vidtldr": 0.7}
    return {
        name: Contributions(videos, (rng.random((60, 1)) < share).astype(float), np.ones((60, 1)), "mean")
        for name, share in shares.items()
    }


def test_each_baseline_meets_each_other_method_and_never_itself() -> None:
    found = pairs(["a", "b", "c"], ["c", "a"])
    assert found == [("a", "c"), ("b", "c"), ("b", "a"), ("c", "a")]


def test_a_baseline_that_is_not_there_is_passed_over() -> None:
    assert pairs(["tome", "vidtldr"], ["base", "tome"]) == [("vidtldr", "tome")]


def test_each_difference_is_that_of_the_paired_bootstrap(contributions) -> None:
    found = compare(contributions, BASELINES)
    assert [(each.method, each.baseline) for each in found] == pairs(contributions, BASELINES)
    for each in found:
        interval = paired_interval(contributions[each.method], contributions[each.baseline])
        assert (each.low, each.difference, each.high) == (interval.low, interval.difference, interval.high)


@pytest.mark.parametrize("order", list(itertools.permutations(["base", "tome", "vidtldr"])))
def test_methods_may_finish_in_any_order(contributions, order) -> None:
    there: dict[str, Contributions] = {}
    known: list = []
    for name in order:
        there[name] = contributions[name]
        known = compare(there, BASELINES, known)
    assert {(each.method, each.baseline): each for each in known} == {
        (each.method, each.baseline): each for each in compare(contributions, BASELINES)
    }


def test_what_is_known_is_not_drawn_again(contributions, monkeypatch) -> None:
    known = compare(contributions, BASELINES)
    monkeypatch.setattr("vidtldr.results.differences.paired_interval", pytest.fail)
    assert compare(contributions, BASELINES, known) == known


def test_methods_that_cannot_be_compared_are_named(contributions, caplog) -> None:
    one = contributions["tome"]
    fewer = Contributions(one.clusters[:-1], one.hits[:-1], one.counts[:-1], "mean")
    found = compare(contributions | {"tome": fewer}, BASELINES)
    assert [(each.method, each.baseline) for each in found] == [("vidtldr", "base")]
    assert "no confidence interval for tome - base: 1 clusters have results of one of the two only" in caplog.text


@pytest.mark.parametrize(
    ("asked", "baselines"),
    [
        ([], ["plain"]),  # base under a name of its own
        (["tome"], ["plain", "tome"]),
        (["wide", "tome", "wide"], ["plain", "wide", "tome"]),
        (["plain"], ["plain"]),
    ],
)
def test_base_is_always_a_baseline_and_stands_first(asked, baselines) -> None:
    assert choose_baselines(build_methods(SPEC), asked) == baselines


def test_without_base_there_are_those_that_were_asked_for() -> None:
    methods = build_methods(SPEC, ["tome", "wide"])
    assert choose_baselines(methods) == []
    assert choose_baselines(methods, ["tome"]) == ["tome"]


def test_an_unknown_baseline_is_answered_with_the_known_ones() -> None:
    said = r"^unknown baseline 'tom': this run evaluates tome, plain, wide \(did you mean tome\?\)$"
    with pytest.raises(UserError, match=said):
        choose_baselines(build_methods(SPEC), ["tom"])


def test_a_baseline_must_be_evaluated() -> None:
    with pytest.raises(UserError, match=r"^unknown baseline 'wide': this run evaluates tome, plain$"):
        choose_baselines(build_methods(SPEC, ["tome", "plain"]), ["wide"])
