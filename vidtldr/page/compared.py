"""A run beside what its methods are compared with."""

from dataclasses import asdict, dataclass, replace

from vidtldr.drawing.charts import Point, Reference
from vidtldr.page.intervals import Intervals
from vidtldr.page.runs import Run
from vidtldr.results.differences import Difference, pairs
from vidtldr.results.records import RunRecord


@dataclass(frozen=True)
class Compared:
    """Scores of a run, with their intervals and differences.

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
    def record(self) -> RunRecord:
        """The record of the run, to which differences to the baseline are added if they were not recorded."""
        record = self.run.record
        if self.baseline is None or self.baseline in record.baselines:
            return record
        baselines = [*record.baselines, self.baseline]
        added = [
            Difference(method, baseline, **asdict(interval))
            for method, baseline in pairs(self.run.methods, baselines)
            if baseline == self.baseline and (interval := self.intervals.of_difference(method, baseline))
        ]
        return replace(record, baselines=baselines, differences=[*record.differences, *added])

    @property
    def score_name(self) -> str:
        """The compared score, as the table heads it."""
        table = self.run.record.score_tables[0]
        heading = table.compared_heading
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
        own, score = self.intervals.of_score(self.baseline), self.run.score(self.baseline)
        return Reference(score, own.low, own.high) if own else Reference(score)

    @property
    def device(self) -> str:
        """What its speed was measured on, and in which precision."""
        return f"{self.run.record.device}, {self.run.record.precision}"
