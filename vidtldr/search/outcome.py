"""What a search leaves: a line for each rung, the front as a table and a chart, and a config of what it chose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from vidtldr.drawing.charts import Point, Reference, Series, colours, front, trade_off
from vidtldr.results.gflops import gflops_digits, gflops_share
from vidtldr.results.records import RunRecord
from vidtldr.results.text_tables import Block, print_blocks
from vidtldr.search.budgets import Budget
from vidtldr.search.halving import Rung
from vidtldr.search.latency import BASE
from vidtldr.search.tried import Choice, Groups
from vidtldr.storage.atomic_files import write_atomically

CONFIG, CHART = "search.yaml", "front.svg"


@dataclass(frozen=True)
class Outcome:
    """A search, as far as it is.

    Attributes:
        choice: What was searched.
        groups: The candidates of each budget.
        split: ``validate`` or ``test``: which videos decided.
        rungs: What each rung decided, for each budget.
    """

    choice: Choice
    groups: Groups
    split: str
    rungs: list[list[Rung]] = field(default_factory=list)

    @property
    def winners(self) -> list[str]:
        """The best of each budget."""
        return list(dict.fromkeys(rung.best_first[0] for rung in self.rungs[-1]))

    @property
    def is_timed(self) -> bool:
        """Whether budgets were times."""
        return any(tried.milliseconds is not None for group in self.groups for tried in group.values())

    def milliseconds(self, name: str) -> float | None:
        """What a candidate takes for a clip, where it was measured."""
        return next((group[name].milliseconds for group in self.groups if name in group), None)


def print_rung(outcome: Outcome, record: RunRecord, console: Console) -> None:
    """Say what a rung has decided."""
    rungs, videos = outcome.rungs[-1], record.results[-1].evaluated.videos
    tried = len({name for rung in rungs for name in rung.tried})
    worse = len({name for rung in rungs for name in rung.worse})
    left = len({name for rung in rungs for name in rung.best_first})
    goes_on = "" if rungs[0].one_in == 1 else f", {left} go on"
    schedules = "1 schedule" if tried == 1 else f"{tried} schedules"
    said = f"{videos} videos: {schedules}, {worse} of them worse than the best beyond chance{goes_on}"
    console.print(said, highlight=False)


def print_outcome(outcome: Outcome, record: RunRecord, folder: Path, console: Console) -> None:
    """Show the front, and say what to do with it."""
    print_blocks([_block(outcome, record)], console)
    lines = [_best(budget, rung) for budget, rung in zip(outcome.choice.budgets, outcome.rungs[-1], strict=True)]
    if outcome.split == "test":
        lines.append("The test split chose, whose scores flatter what they choose: data.val_annotation names another.")
    lines += ["", f"python eval.py --config {folder / CONFIG}", f"The front is drawn in {folder / CHART}."]
    console.print("\n" + "\n".join(lines), highlight=False, soft_wrap=True)


def write_outcome(outcome: Outcome, record: RunRecord, folder: Path, config: Mapping[str, Any]) -> None:
    """Write the chart and the config."""
    write_atomically(folder / CHART, _chart(outcome, record))
    config = dict(config)
    config["data"]["init_args"]["share"] = 1.0
    heading = f"# python eval.py --config {CONFIG}\n# {_told(outcome, record)}.\n"
    write_atomically(folder / CONFIG, heading + yaml.safe_dump(config, sort_keys=False, default_flow_style=None))


def _best(budget: Budget, rung: Rung) -> str:
    best, *others = rung.best_first
    level = [name for name in others if name not in rung.worse]
    return f"The best within {budget}: {best}" + (f", not told apart from {', '.join(level)}." if level else ".")


def _told(outcome: Outcome, record: RunRecord) -> str:
    split = "validation" if outcome.split == "validate" else "test"
    tried = len({name for group in outcome.groups for name in group})
    return f"What python -m vidtldr.search chose for {record.config_name}, of {tried} schedules, on the {split} split"


def _block(outcome: Outcome, record: RunRecord) -> Block:
    scores, base = record.score_tables[0], record.results[0]
    best = front(_points(outcome, record).values())
    columns = ["method", "GFLOPs", *["ms"] * outcome.is_timed, scores.columns[scores.compared], "Δ base", "front"]
    rows = []
    for result in sorted(record.results, key=lambda each: each.gflops):
        name, cost = result.name, gflops_digits(result.gflops)
        share = "" if result is base else f" ({gflops_share(result.gflops, base.gflops)})"
        taken = outcome.milliseconds(name)
        cells = [name, cost + share, *["" if taken is None else f"{taken:.2f}"] * outcome.is_timed]
        difference = record.difference(name, BASE)
        told = str(difference) if difference else ""
        on_front = "*" if _points(outcome, record).get(name) in best else ""
        rows.append([*cells, f"{result.metrics[scores.compared]:.1f}", told, on_front])
    return Block(
        f"{record.config_name}: {scores.title or scores.compared}, {base.evaluated.videos} videos", columns, rows
    )


def _chart(outcome: Outcome, record: RunRecord) -> str:
    scores, entry = record.score_tables[0], outcome.choice.entry
    series = [Series(BASE if name == BASE else entry, (point,)) for name, point in _points(outcome, record).items()]
    return trade_off(
        series,
        colours([BASE, entry]),
        title=f"{record.config_name}: {entry} searched",
        x_label="latency of the encoder (ms per clip)" if outcome.is_timed else "GFLOPs per clip",
        y_label=f"{_score_name(record)} (%)",
        reference=Reference(record.results[0].metrics[scores.compared]),
        with_front=True,
    )


def _score_name(record: RunRecord) -> str:
    scores = record.score_tables[0]
    heading = scores.columns[scores.compared]
    return heading if heading == scores.title else f"{scores.title} {heading}".strip()


def _points(outcome: Outcome, record: RunRecord) -> dict[str, Point]:
    """Score over cost; the interval is that of the difference to base, around the score. Base has no measured time."""
    key, points = record.score_tables[0].compared, {}
    base = record.results[0].metrics[key]
    for result in record.results:
        cost = outcome.milliseconds(result.name) if outcome.is_timed else result.gflops
        difference = record.difference(result.name, BASE)
        interval = (base + difference.low, base + difference.high) if difference else (None, None)
        if cost is not None:
            points[result.name] = Point(cost, result.metrics[key], *interval)
    return points
