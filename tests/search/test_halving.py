"""Many candidates on few videos, few on many: against worlds in which the best is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from vidtldr.errors import UserError
from vidtldr.results.bootstrap import Contributions
from vidtldr.search.halving import Rung, check_rungs, climb

VIDEOS = 400


class World:
    """Candidates that are right on a share of the videos: those whose hardness, drawn once, is below their skill."""

    def __init__(self, skills: dict[str, float], videos: int = VIDEOS) -> None:
        self.skills, self.videos = skills, videos
        self.hardness = np.random.default_rng(0).permutation(videos) / videos
        self.asked: list[tuple[int, list[str]]] = []

    def evaluate(self, one_in: int, names: list[str]) -> dict[str, Contributions]:
        self.asked.append((one_in, names))
        hardness = self.hardness[::one_in]
        clusters = tuple(map(str, range(len(hardness))))
        ones = np.ones((len(hardness), 1))
        return {
            name: Contributions(clusters, (hardness < self.skills[name])[:, None].astype(float), ones, "mean")
            for name in names
        }


def climbed(world: World, groups: Sequence[Sequence[str]], rungs: Sequence[int]) -> list[list[Rung]]:
    return list(climb(groups, rungs, world.evaluate))


def test_at_most_half_goes_on_and_the_best_wins() -> None:
    world = World({f"c{number}": 0.5 + 0.02 * number for number in range(8)})
    rungs = climbed(world, [list(world.skills)], [8, 4, 2, 1])
    assert all(len(names) <= most for (_, names), most in zip(world.asked, [8, 4, 2, 1]))
    assert rungs[-1][0].best_first == ("c7",)
    assert [one_in for one_in, _ in world.asked] == [8, 4, 2, 1]


def test_the_last_rung_drops_nobody() -> None:
    world = World({"a": 0.5, "b": 0.9, "c": 0.7})
    ((only,),) = climbed(world, [["a", "b", "c"]], [1])
    assert only.best_first == ("b", "c", "a")
    assert only.worse == ("c", "a")


def test_what_is_worse_beyond_chance_goes_early_and_rungs_without_rivals_are_left_out() -> None:
    world = World({"good": 0.9, "bad": 0.2, "poor": 0.3, "dire": 0.1})
    first, last = climbed(world, [list(world.skills)], [8, 4, 2, 1])
    assert set(first[0].worse) == {"bad", "poor", "dire"}
    assert first[0].best_first == ("good",)
    assert (last[0].one_in, last[0].tried) == (1, ("good",))
    assert [one_in for one_in, _ in world.asked] == [8, 1]


def test_of_many_equals_hardly_any_is_called_worse() -> None:
    """Candidates that are right by chance, half of the time; an interval of 95 % for each would call 17 % worse."""
    rng = np.random.default_rng(0)
    names, clusters, ones = [f"c{number}" for number in range(16)], tuple(map(str, range(50))), np.ones((50, 1))

    def evaluate(one_in: int, tried: list[str]) -> dict[str, Contributions]:
        hits = {name: rng.integers(2, size=(50, 1)).astype(float) for name in tried}
        return {name: Contributions(clusters, hits[name], ones, "mean") for name in tried}

    worse = [len(next(climb([names], [2, 1], evaluate))[0].worse) for _ in range(20)]
    assert sum(worse) / (20 * 15) < 0.05


def test_equals_are_not_called_worse_and_keep_their_order() -> None:
    world = World({"a": 0.6, "b": 0.6, "c": 0.6, "d": 0.6})
    rungs = climbed(world, [list(world.skills)], [2, 1])
    assert rungs[0][0].worse == ()
    assert rungs[0][0].best_first == ("a", "b")


def test_budgets_are_halved_apart_and_evaluated_together() -> None:
    world = World({"cheap1": 0.2, "cheap2": 0.22, "dear1": 0.9, "dear2": 0.92, "both": 0.21})
    rungs = climbed(world, [["cheap1", "cheap2", "both"], ["both", "dear1", "dear2"]], [2, 1])
    assert world.asked[0] == (2, ["cheap1", "cheap2", "both", "dear1", "dear2"])  # each once
    assert [rung.best_first[0] for rung in rungs[-1]] == ["cheap2", "dear2"]


def test_too_few_videos_to_tell_drop_nobody_beyond_half() -> None:
    empty = Contributions(("v",), np.zeros((1, 1)), np.zeros((1, 1)), "mean")
    ((rung,), *_) = climb([["a", "b"]], [2, 1], lambda one_in, names: dict.fromkeys(names, empty))
    assert rung.worse == ()
    assert rung.best_first == ("a",)


@pytest.mark.parametrize("rungs", [[], [8, 4, 2], [1, 1], [2, 4, 1], [4, 1, 2]])
def test_rungs_lead_to_all_videos(rungs: list[int]) -> None:
    with pytest.raises(UserError, match="fewer on each rung and 1 on the last"):
        check_rungs(rungs)
    check_rungs([8, 4, 2, 1])
    check_rungs([1])
