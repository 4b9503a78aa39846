"""Charts of methods as SVG: the same values give the same bytes, on a light page and on a dark one."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count, cycle
from math import isnan
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

INK, RULE = "#1f2328", "#d8dee4"
"""Text and grid; in a page they follow its own colours."""

NEUTRAL = "#7d8590"
_PALETTE = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito (2008)
_MARKERS = "osD^vPX"
_NEAR = 0.015  # of the width or the height of the chart: closer points look like one
_APART, _FARTHEST = 6.0, 12.0  # points of 1/72 inch: between two series at one cost, and from it

STYLE: dict[Any, object] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: texts are as wide everywhere
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "svg.fonttype": "none",  # text remains text: small files, which a reader can search
    "text.parse_math": False,  # names of methods and configs are what they are
}
"""What all charts look like; put ``svg.hashsalt`` beside it."""


@dataclass(frozen=True)
class Point:
    """A value and the interval around it.

    Attributes:
        x: Where it stands.
        y: The value.
        low: Lower end of its interval; None for no interval.
        high: Upper end.
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """Points of one method in one run or sweep; several are joined from left to right.

    Attributes:
        method: Name that chooses the colour.
        points: At least one.
        run: Which run they are of; chooses the marker.
    """

    method: str
    points: tuple[Point, ...]
    run: str = ""


@dataclass(frozen=True)
class Reference:
    """A horizontal line with a band, which the points are compared with."""

    value: float
    low: float | None = None
    high: float | None = None


def colours(methods: Iterable[str], *, neutral: str = "base") -> dict[str, str]:
    """One colour for each method, for all charts of a page; ``neutral`` is grey, and has no share in the palette."""
    palette = cycle(_PALETTE)
    return {name: NEUTRAL if name == neutral else next(palette) for name in dict.fromkeys(methods)}


def front(points: Iterable[Point]) -> list[Point]:
    """The points that no other one excels: of those with the same or a smaller ``x``, none has as large a ``y``.

    One whose ``y`` is NaN excels none.

    Returns:
        From left to right; ``y`` rises strictly.
    """
    best: list[Point] = []
    for point in sorted((each for each in points if not isnan(each.y)), key=lambda each: (each.x, -each.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best


def trade_off(
    series: Sequence[Series],
    palette: Mapping[str, str],
    *,
    title: str,
    x_label: str,
    y_label: str,
    reference: Reference | None = None,
    with_front: bool = False,
) -> str:
    """Scores over what they cost, with intervals.

    Where a point or its interval would cover one of an earlier series, at the same cost as far as eyes can tell, the
    later series is drawn a few pixels beside its costs, such that both are seen.

    Args:
        series: What to draw.
        palette: Colour of each method.
        title: Names the chart for those who do not see it.
        x_label: Of the cost.
        y_label: Of the score.
        reference: A line and its band across the chart.
        with_front: Draw the :func:`front` of all points, dotted.
    """
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": title}):
        markers = dict(zip(dict.fromkeys(each.run for each in series), cycle(_MARKERS)))
        figure, axes = _figure(taller=0.17 * max(0, len(markers) - 2))
        if reference is not None:
            axes.axhline(reference.value, color=NEUTRAL, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            if reference.low is not None and reference.high is not None:
                axes.axhspan(reference.low, reference.high, color=NEUTRAL, alpha=0.13, linewidth=0, zorder=0)
        if with_front:
            best = front(point for each in series for point in each.points)
            axes.step(
                [point.x for point in best], [point.y for point in best], where="post", color=INK, linewidth=1,
                linestyle=":", zorder=2, label="front",
            )  # fmt: skip
        for each, shift in zip(series, _shifts(series)):
            _draw_points(axes, each, palette[each.method], markers[each.run], shift=shift)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.margins(0.12, 0.12)
        _legend(axes, markers if len(markers) > 1 else {})
        return _svg(figure, title)


def curves(
    values: Mapping[str, Sequence[float]],
    palette: Mapping[str, str],
    *,
    title: str,
    x_label: str,
    y_label: str,
    even: float | None = None,
) -> str:
    """A line for each method over layers or frames, counted from 1; the axis of values begins at 0.

    Args:
        values: By method.
        palette: Colour of each method.
        title: Names the chart for those who do not see it.
        x_label: Of what is counted.
        y_label: Of the values.
        even: A level to compare with, such as the share that each frame has if all have the same.
    """
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": title}):
        figure, axes = _figure()
        if even is not None:
            axes.axhline(even, color=NEUTRAL, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        for (method, line), marker in zip(values.items(), cycle(_MARKERS)):
            axes.plot(
                range(1, len(line) + 1), line, color=palette[method], marker=marker, markersize=4, label=_shown(method)
            )
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.set_ylim(0, 1.08 * max(max(line) for line in values.values()) or 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(axes)
        return _svg(figure, title)


def over_sets(
    scores: Mapping[str, Mapping[str, Point]],
    gflops: Mapping[str, Mapping[str, float]],
    palette: Mapping[str, str],
    *,
    title: str,
) -> str:
    """Figure 1 of the paper: for each data set the scores of all methods, and below them their GFLOPs.

    Args:
        scores: By data set, then by method; ``x`` is not looked at.
        gflops: The same.
        palette: Colour of each method.
        title: Names the chart for those who do not see it.
    """
    methods = list(dict.fromkeys(name for each in scores.values() for name in each))
    width = 0.8 / len(methods)
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": title, "axes.grid.axis": "y"}):
        figure = Figure(figsize=(max(5.2, 2.2 * len(scores)), 4.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for number, method in enumerate(methods):
            places = [place for place, each in enumerate(scores.values()) if method in each]
            offset = (number - (len(methods) - 1) / 2) * width
            points = [scores[name][method] for name in scores if method in scores[name]]
            moved = [Point(place + offset, each.y, each.low, each.high) for place, each in zip(places, points)]
            for each in moved:
                _draw_points(upper, Series(method, (each,)), palette[method], "o")
            heights = [gflops[name][method] for name in gflops if method in gflops[name]]
            lower.bar([each.x for each in moved], heights, 0.85 * width, color=palette[method])
        upper.set_ylabel("score (%)")
        upper.margins(y=0.12)
        lower.set_ylabel("GFLOPs")
        lower.set_xticks(range(len(scores)), list(scores))
        lower.tick_params(axis="x", length=0)
        _legend(upper)
        return _svg(figure, title)


def _figure(*, taller: float = 0) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.2, 3.5 + taller), layout="constrained")
    return figure, figure.subplots()


def _shifts(series: Sequence[Series]) -> list[float]:
    """How far each series is drawn to the right of its costs, in points of 1/72 inch.

    Each takes the first place that no earlier one takes which it would cover: 0 is at its costs, 1 beside it on the
    right, 2 on the left, and so on.
    """
    points = [point for each in series for point in each.points]
    width, height = (_NEAR * (max(ends) - min(ends)) for ends in ([each.x for each in points], _ends(points)))
    places: list[int] = []
    for each in series:
        taken = {place for place, other in zip(places, series) if _cover(each, other, width, height)}
        places.append(next(place for place in count() if place not in taken))
    steps = [(place + 1) // 2 for place in places]
    apart = min(_APART, _FARTHEST / max(1, *steps))
    return [apart * (step if place % 2 else -step) for place, step in zip(places, steps)]


def _cover(one: Series, other: Series, width: float, height: float) -> bool:
    """Whether a point of one lies on a point of the other or on its interval."""
    return any(
        abs(a.x - b.x) <= width
        and min(_ends([a])) - height <= max(_ends([b]))
        and min(_ends([b])) - height <= max(_ends([a]))
        for a in one.points
        for b in other.points
    )


def _ends(points: Iterable[Point]) -> list[float]:
    """All values and ends of intervals."""
    return [end for point in points for end in (point.low, point.y, point.high) if end is not None]


def _draw_points(axes: Axes, series: Series, colour: str, marker: str, *, shift: float = 0) -> None:
    points, drawn = sorted(series.points, key=lambda point: point.x), list[Line2D]()
    for point in points:
        if point.low is not None and point.high is not None:
            drawn += axes.plot([point.x, point.x], [point.low, point.high], color=colour, linewidth=1.2, zorder=3)
    x, y = [point.x for point in points], [point.y for point in points]
    drawn += axes.plot(x, y, color=colour, marker=marker, linewidth=0.9, label=_shown(series.method), zorder=4)
    if shift:  # afterwards: the axes shall count the costs themselves
        moved = axes.transData + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
        for line in drawn:
            line.set_transform(moved)


def _shown(method: str) -> str:
    """The name of a method as a label: matplotlib hides those that begin with an underscore, not with a blank."""
    return f" {method}" if method.startswith("_") else method


def _legend(axes: Axes, runs: Mapping[str, str] | None = None) -> None:
    """Methods by their colours in a row above the chart; with runs, methods in a column and runs in the next."""
    handles: dict[str, Line2D] = {}
    for line in axes.get_lines():
        shown = "" if runs else line.get_marker()
        proxy = Line2D([], [], color=line.get_color(), linestyle=line.get_linestyle(), marker=shown)
        handles.setdefault(str(line.get_label()), proxy)
    entries = [(handle, label) for label, handle in handles.items() if not label.startswith("_")]  # those with a label
    if runs:
        markers = [(Line2D([], [], color=NEUTRAL, linestyle="", marker=marker), run) for run, marker in runs.items()]
        rows, blank = max(len(entries), len(markers)), (Line2D([], [], linestyle=""), "")
        entries = [*entries, *[blank] * (rows - len(entries)), *markers, *[blank] * (rows - len(markers))]
    axes.figure.legend(
        *zip(*entries), loc="outside upper left", ncols=2 if runs else 4, frameon=False, handlelength=1.6,
        columnspacing=1.4, borderaxespad=0.2,
    )  # fmt: skip


def _svg(figure: Figure, title: str) -> str:
    """The figure as an ``<svg>`` to put into a page, without date, version, background or names that another has."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    referenced = set(re.findall(r'(?:url\(|href=")#([\w-]+)', text))
    text = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)  # would reach the whole page
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in referenced else "", text)
    # Presentation in style="": a page's own colours where it has some, else these.
    text = text.replace(INK, "currentColor").replace(RULE, f"var(--rule, {RULE})")
    return (
        text.replace("<svg", f'<svg role="img" aria-label="{escape(title)}" stroke-linejoin="round"', 1).strip() + "\n"
    )
