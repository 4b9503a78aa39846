from pathlib import Path

import numpy as np
import pytest

from tests.helpers.finished_run import recognised, write_run
from vidtldr.page.intervals import Intervals
from vidtldr.page.runs import Run, read_runs
from vidtldr.results.bootstrap import Interval, paired_interval
from vidtldr.results.differences import Difference
from vidtldr.tasks import ActionRecognition

RIGHT = {"base": 160, "tome": 120, "vidtldr": 140}  # of 200 videos
SHUFFLED = {name: np.random.default_rng(right).permutation(200) < right for name, right in RIGHT.items()}
SAMPLES = recognised({name: shuffled.tolist() for name, shuffled in SHUFFLED.items()})


def read(folder: Path, **changes: object) -> Run:
    (run,) = read_runs([write_run(folder, SAMPLES, **changes)])
    return run


def test_a_recorded_interval_is_taken_as_it_is(tmp_path: Path):
    recorded = Difference("tome", "base", difference=-2.0, low=-3.0, high=-1.0)
    intervals = Intervals(read(tmp_path / "run", differences=[recorded]))
    assert intervals.of_difference("tome", "base") == Interval(low=-3.0, high=-1.0, difference=-2.0)


def test_another_pair_is_drawn_from_the_samples_as_the_task_counts_them(tmp_path: Path):
    contributions = {name: ActionRecognition.contributions(rows) for name, rows in SAMPLES.items()}
    expected = paired_interval(contributions["vidtldr"], contributions["tome"])
    assert Intervals(read(tmp_path / "run")).of_difference("vidtldr", "tome") == expected


def test_the_interval_of_a_score_is_as_wide_as_the_binomial_one(tmp_path: Path):
    run = read(tmp_path / "run")
    own = Intervals(run).of_score("base")
    assert own.difference == run.score("base")
    deviation = 100 * np.sqrt(0.8 * 0.2 / 200)
    assert own.high - own.low == pytest.approx(2 * 1.96 * deviation, rel=0.15)
    assert own.low < run.score("base") < own.high


def test_a_task_that_cannot_be_imported_gives_no_intervals(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    intervals = Intervals(read(tmp_path / "run", task="gone.Task"))
    assert intervals.of_score("base") is None
    assert intervals.of_difference("vidtldr", "tome") is None
    assert "samples give no intervals" in caplog.text
