"""The candidates of a search on data: chosen by formula, and where a budget is a time, by the clock."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from vidtldr.cli.sweeps import name_with
from vidtldr.measuring.flops_analytic import Tower, analytic_gflops
from vidtldr.merging import Base, Method
from vidtldr.merging.schedule import Rate
from vidtldr.search.budgets import Budget, close_under, schedules
from vidtldr.search.candidates import Candidate
from vidtldr.search.latency import Measure, fast_enough, gflops_for
from vidtldr.storage.atomic_files import write_atomically


@dataclass(frozen=True)
class Choice:
    """What is searched.

    Attributes:
        entry: Name of the method, with which candidates' names begin.
        budgets: Each gets candidates of its own.
        count: Candidates of a budget, at most; the method's own schedule comes beside them.
        slack: Share of a budget that a candidate may leave.
        layers: First layers that may reduce.
        step: What numbers of tokens are multiples of; None for a 48th of the tokens.
        method: The method, once its options are known; the schedule that it has is tried too, where a budget in GFLOPs
            allows it.
    """

    entry: str
    budgets: tuple[Budget, ...]
    count: int
    slack: float
    layers: int
    step: int | None
    method: Method = field(default_factory=Base)


@dataclass(frozen=True)
class Tried:
    """A candidate.

    Attributes:
        r: Its schedule.
        gflops: Of a clip.
        milliseconds: That the encoder takes for a clip, where it was measured.
    """

    r: Rate | Sequence[Rate]
    gflops: float
    milliseconds: float | None = None


Groups = list[dict[str, Tried]]
"""The candidates of each budget, by name."""


def by_gflops(choice: Choice, tower: Tower) -> Groups:
    """Candidates for budgets in GFLOPs.

    Raises:
        UserError: There are none; see :mod:`vidtldr.search.budgets`.
    """
    listed = schedules(tower, choice.method, layers=choice.layers, step=choice.step)
    base, own = analytic_gflops(tower), analytic_gflops(tower, choice.method)
    groups = []
    for budget in choice.budgets:
        most = budget.over(base)
        picks = close_under(listed, most, slack=choice.slack, count=choice.count)
        if (1 - choice.slack) * most <= own <= most:
            picks.append(Candidate(choice.method, own))
        groups.append(_named(choice, {pick.method: Tried(pick.method.r, pick.gflops) for pick in picks}))
    return groups


def by_latency(choice: Choice, tower: Tower, measure: Measure) -> Groups:
    """Candidates for budgets in milliseconds: twice as many as wanted are measured, with twice the slack.

    Raises:
        UserError: There are none.
    """
    listed = schedules(tower, choice.method, layers=choice.layers, step=choice.step)
    groups = []
    for budget in choice.budgets:
        gflops = gflops_for(budget.over, listed, measure)
        picks = close_under(listed, gflops, slack=2 * choice.slack, count=2 * choice.count)
        taken = fast_enough(picks, budget.over, choice.count, measure)
        cost = {pick.method: pick.gflops for pick in picks}
        groups.append(_named(choice, {method: Tried(method.r, cost[method], ms) for method, ms in taken.items()}))
    return groups


def kept(path: Path, choose: Callable[[], Groups]) -> Groups:
    """What an interrupted search has chosen: a second measurement would choose others.

    Args:
        path: Where it is kept, as JSON.
        choose: Chooses, where nothing is kept.
    """
    if path.exists():
        return [
            {name: Tried(**(fields | {"r": _rates(fields["r"])})) for name, fields in group.items()}
            for group in json.loads(path.read_text(encoding="utf-8"))
        ]
    groups = choose()
    write_atomically(path, json.dumps([{name: asdict(tried) for name, tried in group.items()} for group in groups]))
    return groups


def methods_of(choice: Choice, groups: Groups) -> dict[str, Method]:
    """All candidates as methods, by name."""
    return {name: replace(choice.method, r=tried.r) for group in groups for name, tried in group.items()}


def _named(choice: Choice, found: Mapping[Method, Tried]) -> dict[str, Tried]:
    return {name_with(choice.entry, {"r": tried.r}): tried for tried in found.values()}


def _rates(r: Rate | list[Rate]) -> Rate | tuple[Rate, ...]:
    return tuple(r) if isinstance(r, list) else r
