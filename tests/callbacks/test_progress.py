import io
from types import SimpleNamespace

import pytest
import torch

import callbacks.progress as progress_module
from callbacks import ProgressCallback
from callbacks.progress import clock
from datamodules.loading.batches import ClipBatch, TextBatch


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def loader(samples: int) -> SimpleNamespace:
    return SimpleNamespace(dataset=range(samples))


def videos(readable: int, broken: int = 0) -> ClipBatch:
    return ClipBatch(
        clips=torch.zeros(readable, 1), index=torch.arange(readable), broken=[], first=0, items=readable + broken
    )


def play(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, seconds_a_batch: float) -> str:
    """Five videos in two batches, three texts in one, a stage of four steps."""
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    trainer = SimpleNamespace(test_dataloaders=[loader(5), loader(3)], num_test_batches=[2, 1])
    callback = ProgressCallback("base", ("encode videos", "encode texts"), stream, every_seconds=10.0)
    callback.on_test_epoch_start(trainer, None)
    for batch, index, number in (
        (videos(2, 1), 0, 0),
        (videos(2), 1, 0),
        (TextBatch(texts=["a", "b", "c"], index=torch.arange(3), videos=[[0]] * 3, first=0, items=3), 0, 1),
    ):
        now[0] += seconds_a_batch
        callback.on_test_batch_end(trainer, None, None, batch, index, number)
    callback.on_stage_start("re-rank", 4)
    for _ in range(4):
        now[0] += seconds_a_batch
        callback.on_stage_advance(1)
    callback.on_stage_end()
    callback.teardown(trainer, None, "test")
    return stream.getvalue()


def test_lines_tell_count_rate_and_time_left(monkeypatch):
    lines = play(io.StringIO(), monkeypatch, seconds_a_batch=30.0).splitlines()
    assert lines[0] == "base · encode videos: 3 of 5, 0.1/s, 0:20 left"
    assert lines[1] == "base · encode videos: 5 of 5, 0.083/s, took 1:00"
    assert lines[2] == "base · encode texts: 3 of 3, 0.1/s, took 0:30"
    assert lines[-1] == "base · re-rank: 4 of 4, 0.033/s, took 2:00"


def test_a_quick_stage_is_one_line(monkeypatch):
    lines = play(io.StringIO(), monkeypatch, seconds_a_batch=1.0).splitlines()
    assert len(lines) == 3


def test_the_views_of_a_video_count_as_one_video(monkeypatch):
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: 0.0)
    stream = io.StringIO()
    trainer = SimpleNamespace(test_dataloaders=loader(2), num_test_batches=[1])
    callback = ProgressCallback(stages=("classify videos",), stream=stream)
    callback.on_test_epoch_start(trainer, None)
    batch = ClipBatch(clips=torch.zeros(6, 1), index=torch.tensor([0, 0, 0, 1, 1, 1]), broken=[], first=0, items=2)
    callback.on_test_batch_end(trainer, None, None, batch, 0)
    assert stream.getvalue().startswith("classify videos: 2 of 2")


def test_broken_videos_count_as_done(monkeypatch):
    assert "5 of 5" in play(io.StringIO(), monkeypatch, seconds_a_batch=1.0)


def test_a_terminal_gets_bars_for_every_stage(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    shown = play(Terminal(), monkeypatch, seconds_a_batch=1.0)
    for stage in ("encode videos", "encode texts", "re-rank"):
        assert f"base · {stage}" in shown


def test_an_exception_gives_the_terminal_back(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    callback = ProgressCallback("base", stream=stream)
    trainer = SimpleNamespace(test_dataloaders=[loader(5)], num_test_batches=[2])
    callback.on_test_epoch_start(trainer, None)
    callback.on_exception(trainer, None, RuntimeError())
    assert stream.getvalue().endswith("\x1b[?25h")  # the cursor is shown again


def test_what_is_to_be_done_is_this_process_s_share(monkeypatch):
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: 0.0)
    stream = io.StringIO()
    shared = SimpleNamespace(dataset=range(9), batches=[[0, 1], [4, 5], [8]])
    trainer = SimpleNamespace(test_dataloaders=[shared], num_test_batches=[3])
    callback = ProgressCallback(stages=("encode videos",), stream=stream)
    callback.on_test_epoch_start(trainer, None)
    for index, items in enumerate((2, 2, 1)):
        callback.on_test_batch_end(trainer, None, None, videos(items), index)
    assert stream.getvalue().startswith("encode videos: 5 of 5")


def test_by_default_progress_goes_to_standard_error(capsys):
    callback = ProgressCallback()
    callback.on_stage_start("re-rank", 1)
    callback.on_stage_advance(1)
    callback.on_stage_end()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("re-rank: 1 of 1")


def test_clock_shows_hours_only_when_there_are_any():
    assert (clock(59.6), clock(61), clock(3661)) == ("1:00", "1:01", "1:01:01")
