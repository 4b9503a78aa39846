"""The charts of a page: of one run, and of all runs together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vidtldr.drawing.charts import Point, Reference, Series, curves, over_sets, trade_off
from vidtldr.page.intervals import Intervals
from vidtldr.page.runs import Run
from vidtldr.results.bootstrap import LEVEL
from vidtldr.results.records import MethodResult

_INTERVAL = f"{100 * LEVEL:.0f} % interval"


@dataclass(frozen=True)
class Panel:
    """A chart with what a reader must know to read it.

    Attributes:
        title: What it shows.
        svg: The chart.
        caption: How to read it, in sentences.
    """

    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Compared:
    """A run beside what its methods are compared with.

    Attributes:
        run: The run.
        intervals: Of its scores and differences.
        baseline: The method that others are compared with; None if there is none.
    """

    run: Run
    intervals: Intervals
    baseline: str | None

    @property
    def data(self) -> tuple[object, ...]:
        """What scores must have in common to be drawn on one axis: data, number of videos and score."""
        record = self.run.record
        videos = record.results[0].evaluated.videos_total
        return record.config.get("data", {}).get("class_path"), videos, record.score_tables[0].compared

    @property
    def score_name(self) -> str:
        """The compared score, as the table heads it."""
        table = self.run.record.score_tables[0]
        heading = table.columns.get(table.compared, table.compared)
        return heading if heading == table.title else f"{table.title} {heading}".strip()

    def point(self, method: str, x: float) -> Point:
        """The score of a method with the interval of its difference to the baseline, laid around it."""
        score = self.run.score(method)
        if self.baseline is None or method == self.baseline:
            return Point(x, score)
        interval, level = self.intervals.of_difference(method, self.baseline), self.run.score(self.baseline)
        return Point(x, score, level + interval.low, level + interval.high) if interval else Point(x, score)

    def reference(self) -> Reference | None:
        """The baseline's score and its own interval."""
        if self.baseline is None:
            return None
        own = self.intervals.of_score(self.baseline)
        return Reference(self.run.score(self.baseline), own and own.low, own and own.high)


Cost = Callable[[MethodResult], float | None]
"""What a method costs; None where that was not measured."""


def gflops(result: MethodResult) -> float | None:
    """GFLOPs of a clip."""
    return result.gflops


def latency(result: MethodResult) -> float | None:
    """Milliseconds a clip, of the test step without decoding."""
    return 1000 / rate if (rate := result.speed.encoder_clips_per_second) else None


def panels_of_run(compared: Compared, palette: Mapping[str, str]) -> list[Panel]:
    """All charts that a run has the numbers for."""
    return [*trade_offs([compared], palette), *_layers(compared.run, palette), *_frames(compared.run, palette)]


def trade_offs(runs: Sequence[Compared], palette: Mapping[str, str]) -> list[Panel]:
    """Scores over GFLOPs and over latency.

    Runs of the same data are drawn as they are. Of different data, each is drawn relative to its own baseline, since
    their scores have nothing in common; a run without a baseline is left out.
    """
    devices = {f"{each.run.record.device}, {each.run.record.precision}" for each in runs}
    device = next(iter(devices)) if len(devices) == 1 else "on several devices, which do not compare"
    kept = any(result.speed.kept_videos for each in runs for result in each.run.record.results)
    beside = " The first method ran beside decoding, which costs it on a CPU." if kept else ""
    return [
        *_trade_off(runs, palette, gflops, "GFLOPs", "per clip", "GFLOPs of the vision encoder."),
        *_trade_off(
            runs,
            palette,
            latency,
            "latency",
            "(ms per clip)",
            f"Latency of the encoder, without decoding: {device}.{beside}",
        ),
    ]


def figure_1(runs: Sequence[Compared], palette: Mapping[str, str]) -> Panel:
    """Scores and GFLOPs of all methods over data sets, as the paper's Figure 1 has them."""
    scores = {each.run.label: {name: each.point(name, 0) for name in each.run.methods} for each in runs}
    costs = {each.run.label: {result.name: result.gflops for result in each.run.record.results} for each in runs}
    names = "; ".join(f"{each.run.label}: {each.score_name}" for each in runs)
    caption = f"Scores: {names}. Bars: {_INTERVAL} of the difference to {_baselines(runs)}."
    title = "Score and GFLOPs over data sets"
    return Panel(title, over_sets(scores, costs, palette, title=title), caption)


def _trade_off(
    runs: Sequence[Compared], palette: Mapping[str, str], cost: Cost, name: str, unit: str, note: str
) -> list[Panel]:
    relative = len({each.data for each in runs}) > 1
    title = f"Score over {name}" + (", relative" if relative else "")
    series = _relative(runs, cost) if relative else _absolute(runs, cost)
    if not series:
        return []
    reference = Reference(0) if relative else _common_reference(runs)
    first = runs[0]
    svg = trade_off(
        series,
        palette,
        title=" ".join([title, *(each.run.label for each in runs)]),
        x_label=f"{name}, % of {_baselines(runs)}" if relative else f"{name} {unit}",
        y_label=f"difference to {_baselines(runs)} (points)" if relative else f"{first.score_name} (%)",
        reference=reference,
        with_front=not relative and sum(len(each.points) for each in series) > 3,
    )
    return [Panel(title, svg, f"{_how_to_read(runs, reference, relative)} {note}".strip())]


def _absolute(runs: Sequence[Compared], cost: Cost) -> list[Series]:
    """Scores as they are; the runs of one config are a sweep, in which the points of a method are joined."""
    configs = list(dict.fromkeys(each.run.record.config_name for each in runs))
    points: dict[tuple[str, str], dict[Point, None]] = {}
    for each in runs:
        for result in each.run.record.results:
            if (x := cost(result)) is not None:
                key = each.run.record.config_name, result.name
                points.setdefault(key, {})[each.point(result.name, x)] = None
    return [
        Series(method, tuple(found), config if len(configs) > 1 else "") for (config, method), found in points.items()
    ]


def _relative(runs: Sequence[Compared], cost: Cost) -> list[Series]:
    """Differences to the baseline of each run, over what a method costs in percent of it."""
    series = []
    for each in runs:
        costs = {result.name: x for result in each.run.record.results if (x := cost(result)) is not None}
        if each.baseline is None or each.baseline not in costs:
            continue
        level, whole = each.run.score(each.baseline), costs.pop(each.baseline)
        for name, x in costs.items():
            series.append(Series(name, (_lowered(each.point(name, 100 * x / whole), level),), each.run.label))
    return series


def _lowered(point: Point, level: float) -> Point:
    low, high = (None if end is None else end - level for end in (point.low, point.high))
    return Point(point.x, point.y - level, low, high)


def _common_reference(runs: Sequence[Compared]) -> Reference | None:
    """The baseline's line, if it scores the same in all runs."""
    references = [each.reference() for each in runs]
    same = len({each and each.value for each in references}) == 1
    return references[0] if same else None


def _how_to_read(runs: Sequence[Compared], reference: Reference | None, relative: bool) -> str:
    if all(each.baseline is None for each in runs):
        return "No method to compare with was evaluated, so there are no intervals."
    name = _baselines(runs)
    said = [f"Bars: {_INTERVAL} of the difference to {name}; one that misses the dashed line is more than chance."]
    if reference is not None and reference.low is not None and not relative:
        said.append(f"Band: {_INTERVAL} of {name} itself over other videos of the kind.")
    return " ".join(said)


def _baselines(runs: Sequence[Compared]) -> str:
    return " / ".join(dict.fromkeys(each.baseline for each in runs if each.baseline)) or "nothing"


def _layers(run: Run, palette: Mapping[str, str]) -> list[Panel]:
    """Tokens and GFLOPs of each layer, where the run recorded them."""
    tokens = {result.name: _recorded(result, "tokens_per_layer") for result in run.record.results}
    costs = {result.name: _recorded(result, "gflops_per_layer") for result in run.record.results}
    panels = []
    if any(tokens.values()):
        title = "Tokens that leave each layer"
        svg = curves(_given(tokens), palette, title=f"{title} {run.label}", x_label="layer", y_label="tokens")
        panels.append(Panel(title, svg, "Of one clip."))
    if any(costs.values()):
        title = "GFLOPs of each layer"
        svg = curves(_given(costs), palette, title=f"{title} {run.label}", x_label="layer", y_label="GFLOPs")
        panels.append(Panel(title, svg, "Of one clip; what merging costs is in them."))
    return panels


def _frames(run: Run, palette: Mapping[str, str]) -> list[Panel]:
    """What each frame keeps, where the run recorded it."""
    shares = _given({result.name: _recorded(result, "frame_shares") for result in run.record.results})
    if not shares:
        return []
    title, longest = "Share of each frame", max(map(len, shares.values()))
    percent = {name: [100 * share for share in each] for name, each in shares.items()}
    svg = curves(
        percent, palette, title=f"{title} {run.label}", x_label="frame", y_label="share (%)", even=100 / longest
    )
    return [Panel(title, svg, "In what a method keeps, as the mean over clips. Dashed: the same for all frames.")]


def _recorded(result: MethodResult, name: str) -> Sequence[float]:
    return getattr(result, name, None) or ()


def _given(values: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    return {name: each for name, each in values.items() if each}
