"""Intervals of differences and of scores: those that a run recorded, and those that its samples give."""

import importlib
import logging
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from vidtldr.page.runs import Run
from vidtldr.results.bootstrap import Contributions, Interval, paired_interval
from vidtldr.tasks.base import Task

_log = logging.getLogger(__name__)


class Intervals:
    """What the bootstrap says about the compared score of a run.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._drawn: dict[tuple[str, str | None], Interval | None] = {}

    def of_difference(self, method: str, baseline: str) -> Interval | None:
        """How far a method is from another; None where that cannot be told."""
        if recorded := self._run.record.difference(method, baseline):
            return Interval(recorded.low, recorded.high, recorded.difference)
        return self._interval(method, baseline)

    def of_score(self, method: str) -> Interval | None:
        """Where the score of a method would lie with other videos of the same kind; None where that cannot be told."""
        return self._interval(method, None)

    def _interval(self, method: str, baseline: str | None) -> Interval | None:
        if (method, baseline) not in self._drawn:
            own = self._contributions.get(method)
            other = _nothing(own) if baseline is None and own else self._contributions.get(baseline or "")
            self._drawn[method, baseline] = self._draw(own, other) if own and other else None
        return self._drawn[method, baseline]

    def _draw(self, own: Contributions, other: Contributions) -> Interval | None:
        try:
            return paired_interval(own, other)
        except ValueError as error:
            _log.warning("%s: no confidence interval: %s", self._run.label, error)
            return None

    @cached_property
    def _contributions(self) -> Mapping[str, Contributions]:
        """What each video adds to the score of each method, as the task counts it."""
        if not self._run.samples:
            return {}
        try:
            task = _task_class(self._run.record.config["model"]["class_path"])
            return {method: task.contributions(rows) for method, rows in self._run.samples.items()}
        except (ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
            _log.warning("%s: samples give no intervals: %s %s", self._run.label, type(error).__name__, error)
            return {}


def _nothing(own: Contributions) -> Contributions:
    """What a method that is always wrong adds: its score is 0 in each draw."""
    return Contributions(own.clusters, np.zeros_like(own.hits), own.counts, own.combine)


def _task_class(class_path: str) -> type[Task]:  # type: ignore[type-arg]  # whatever its data are
    module, _, name = class_path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    if not issubclass(found, Task):
        raise TypeError(f"{class_path} is no task")
    return found
