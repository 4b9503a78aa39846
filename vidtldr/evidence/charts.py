"""What was found, drawn: by layer and by frame, a column for each model. The same numbers give the same bytes."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vidtldr.drawing.charts import INK, NEUTRAL, STYLE
from vidtldr.evidence.intervals import estimate
from vidtldr.evidence.report import METRICS, merging_mean
from vidtldr.evidence.subjects import TRAINED, UNTRAINED, Evidence

COLOURS = {"saliency": "#d55e00", "attentiveness": "#0072b2", "rollout": "#009e73", "random": NEUTRAL}
"""Of the scores, from the palette of Okabe and Ito (2008)."""

_STYLE: dict[Any, object] = {**STYLE, "axes.titlesize": 10, "axes.spines.left": True, "lines.markersize": 3.5}


def layer_chart(found: Sequence[Evidence]) -> str:
    """ROC AUC and IoU over the layers, with intervals; dotted the untrained models; grey where vid-TLDR merges."""
    with _figure(found, tuple(METRICS.values()), "evidence by layer") as (figure, axes):
        for column, evidence in enumerate(found):
            layers = np.arange(1, evidence.subject.num_layers + 1)
            for row, metric in enumerate(METRICS):
                _mark_merging(axes[row, column], evidence)
                _draw_scores(axes[row, column], evidence, layers, lambda values: values, metric)
                _draw_untrained(axes[row, column], evidence, layers, metric)
            axes[-1, column].set_xlabel("layer")
        return _svg(figure)


def frame_chart(found: Sequence[Evidence]) -> str:
    """ROC AUC within each frame, and the frame's share in the sum of scores, in the layers in which vid-TLDR merges."""
    with _figure(found, (f"{METRICS['auc']} within a frame", "share of the scores"), "evidence by frame") as (
        figure,
        axes,
    ):
        for column, evidence in enumerate(found):
            steps = np.arange(1, evidence.subject.grid.steps + 1)
            for row, quantity in enumerate(("frame_auc", "shares")):
                _draw_scores(axes[row, column], evidence, steps, _of_merging(evidence), quantity)
            objects = np.stack([each.shares for each in evidence.foreground]).mean(axis=0)
            axes[1, column].plot(steps, objects, color=INK, linestyle="--", linewidth=1.2, label="objects")
            axes[-1, column].set_xlabel("frame" if evidence.subject.frames_per_step == 1 else "tubelet")
        axes[1, 0].set_ylim(bottom=0)
        return _svg(figure)


def _of_merging(evidence: Evidence) -> Callable[[np.ndarray], np.ndarray]:
    return lambda values: merging_mean(evidence, values)


def _draw_scores(
    axes: Axes, evidence: Evidence, x: np.ndarray, reduce: Callable[[np.ndarray], np.ndarray], quantity: str
) -> None:
    """A line with its band for each score; of the trained model where there is one."""
    findings = evidence.findings.get(TRAINED, evidence.findings[UNTRAINED])
    for score, colour in COLOURS.items():
        known = estimate(reduce(getattr(findings[score], quantity)))
        axes.plot(x, known.mean, color=colour, marker="o", label=score)
        axes.fill_between(x, known.low, known.high, color=colour, alpha=0.15, linewidth=0)


def _draw_untrained(axes: Axes, evidence: Evidence, layers: np.ndarray, metric: str) -> None:
    """Dotted, beside the trained model, the scores that differ from layer to layer."""
    for score in ("saliency", "attentiveness") if TRAINED in evidence.findings else ():
        mean = estimate(getattr(evidence.findings[UNTRAINED][score], metric)).mean
        label = f"{score}, {UNTRAINED}"
        axes.plot(layers, mean, color=COLOURS[score], linestyle=":", linewidth=1.2, label=label)


def _mark_merging(axes: Axes, evidence: Evidence) -> None:
    for layer in evidence.subject.merging_layers:
        axes.axvspan(
            layer + 0.5, layer + 1.5, color=NEUTRAL, alpha=0.12, linewidth=0, zorder=0, label="vid-TLDR merges"
        )


@contextmanager
def _figure(found: Sequence[Evidence], names: Sequence[str], salt: str) -> Iterator[tuple[Figure, np.ndarray]]:
    """Axes ``[names, models]``: a row has one scale and its name on the left."""
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": salt}):
        figure = Figure(figsize=(1.2 + 2.2 * len(found), 4.6), layout="constrained", facecolor="white")
        axes = figure.subplots(len(names), len(found), sharey="row", sharex="col", squeeze=False)
        for row, name in zip(axes, names, strict=True):
            row[0].set_ylabel(name)
        for top, evidence in zip(axes[0], found, strict=True):
            top.set_title(evidence.subject.name)
            top.xaxis.set_major_locator(MaxNLocator(integer=True))
        yield figure, axes


def _svg(figure: Figure) -> str:
    """The figure with a legend above it, as SVG without a date; white behind it, to be read on dark pages too."""
    handles = {text: drawn for axes in figure.axes for drawn, text in zip(*axes.get_legend_handles_labels())}
    handles |= {text: handles.pop(text) for text in ("vid-TLDR merges",) if text in handles}  # lines before areas
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper left", ncols=7, frameon=False, handlelength=1.6,
        columnspacing=1.2,
    )  # fmt: skip
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
