"""The charts of a page: of one run, and of all runs together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vidtldr.drawing.charts import Point, Reference, Series, curves, over_sets, trade_off
from vidtldr.measuring.frame_shares import step_name
from vidtldr.page.compared import Compared
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
        wide: Whether it needs the width of the page.
    """

    title: str
    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Cost:
    """What a method costs.

    Attributes:
        name: ``GFLOPs``.
        unit: As it stands behind the name.
        of: Reads it off a result; None where it was not measured.
        differs: Whether the runs to be drawn measured it on different devices.
    """

    name: str
    unit: str
    of: Callable[[MethodResult], float | None]
    differs: bool = False


def _gflops(result: MethodResult) -> float | None:
    return result.gflops


def _latency(result: MethodResult) -> float | None:
    return 1000 / rate if (rate := result.speed.encoder_clips_per_second) else None


def panels_of_run(compared: Compared, palette: Mapping[str, str]) -> list[Panel]:
    """All charts that a run has the numbers for."""
    return [*trade_offs([compared], palette), *_layers(compared.run, palette), *_frames(compared.run, palette)]


def trade_offs(runs: Sequence[Compared], palette: Mapping[str, str]) -> list[Panel]:
    """Scores over GFLOPs and over latency.

    Runs of the same data are drawn as they are. Of different data, each is drawn relative to its own baseline, since
    their scores have nothing in common; a run without a baseline is left out.
    """
    devices = list(dict.fromkeys(each.device for each in runs))
    note = f"Latency of the encoder, without decoding: {' / '.join(devices)}."
    if any(result.speed.kept_videos for each in runs for result in each.run.record.results):
        note += " The first method ran beside decoding, which costs it on a CPU."
    return [
        *_trade_off(runs, palette, Cost("GFLOPs", "per clip", _gflops), "GFLOPs of the vision encoder."),
        *_trade_off(runs, palette, Cost("latency", "(ms per clip)", _latency, len(devices) > 1), note),
    ]


def figure_1(runs: Sequence[Compared], palette: Mapping[str, str]) -> Panel:
    """Scores and GFLOPs of all methods over data sets, as the paper's Figure 1 has them."""
    scores = {each.run.label: {name: each.point(name, 0) for name in each.run.methods} for each in runs}
    costs = {each.run.label: {result.name: result.gflops for result in each.run.record.results} for each in runs}
    names = "; ".join(f"{each.run.label}: {each.score_name}" for each in runs)
    caption = f"Scores: {names}. Bars: {_INTERVAL} of the difference to {_baselines(runs)}."
    title = "Score and GFLOPs over data sets"
    return Panel(title, over_sets(scores, costs, palette, title=title), caption, wide=len(runs) > 2)


def _trade_off(runs: Sequence[Compared], palette: Mapping[str, str], cost: Cost, note: str) -> list[Panel]:
    relative = len({each.data for each in runs}) > 1
    title = f"Score over {cost.name}" + (", relative" if relative else "")
    series = _relative(runs, cost) if relative else _absolute(runs, cost)
    if not series:
        return []
    reference = Reference(0) if relative else _common_reference(runs)
    svg = trade_off(
        series,
        palette,
        title=" ".join([title, *(each.run.label for each in runs)]),
        x_label=f"{cost.name}, % of {_baselines(runs)}" if relative else f"{cost.name} {cost.unit}",
        y_label=f"difference to {_baselines(runs)} (points)" if relative else f"{runs[0].score_name} (%)",
        reference=reference,
        with_front=not relative and not cost.differs and sum(len(each.points) for each in series) > 3,
    )
    return [Panel(title, svg, f"{_how_to_read(runs, reference, relative)} {note}")]


def _absolute(runs: Sequence[Compared], cost: Cost) -> list[Series]:
    """Scores as they are; the points of a sweep are joined: of ``--sweep``, or runs of one config on one device."""
    configs = {each.run.record.config_name for each in runs}
    points: dict[tuple[str, str], dict[Point, None]] = {}
    for each in runs:
        told = [each.run.record.config_name] if len(configs) > 1 else []
        sweep = ", ".join([*told, each.device] if cost.differs else told)
        for result in each.run.record.results:
            if (x := cost.of(result)) is not None:
                points.setdefault((sweep, each.run.entries[result.name]), {})[each.point(result.name, x)] = None
    return [Series(method, tuple(found), sweep) for (sweep, method), found in points.items()]


def _relative(runs: Sequence[Compared], cost: Cost) -> list[Series]:
    """Differences to the baseline of each run, over what a method costs in percent of it."""
    series = []
    for each in runs:
        costs = {result.name: x for result in each.run.record.results if (x := cost.of(result)) is not None}
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
    tokens = {result.name: result.tokens_per_layer for result in run.record.results if result.tokens_per_layer}
    costs = {result.name: result.gflops_per_layer for result in run.record.results if result.gflops_per_layer}
    panels = []
    if tokens:
        title = "Tokens that leave each layer"
        svg = curves(tokens, palette, title=f"{title} {run.label}", x_label="layer", y_label="tokens")
        panels.append(Panel(title, svg, "Computed for one clip."))
    if costs:
        title = "GFLOPs of each layer"
        svg = curves(costs, palette, title=f"{title} {run.label}", x_label="layer", y_label="GFLOPs")
        panels.append(Panel(title, svg, "Computed for one clip; what merging costs is included."))
    return panels


def _frames(run: Run, palette: Mapping[str, str]) -> list[Panel]:
    """What each frame keeps, where the run recorded it."""
    shares = {result.name: result.frame_shares for result in run.record.results if result.frame_shares}
    if not shares:
        return []
    title, longest = "Share of each frame", max(map(len, shares.values()))
    percent = {name: [100 * share for share in each] for name, each in shares.items()}
    step = step_name(max(1, run.num_frames // longest) if run.num_frames else 1)
    svg = curves(percent, palette, title=f"{title} {run.label}", x_label=step, y_label="share (%)", even=100 / longest)
    caption = "Of what a method keeps, as the mean over the clips that have pictures. Dashed: all alike."
    return [Panel(title, svg, caption)]
