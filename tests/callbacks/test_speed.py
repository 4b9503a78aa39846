from collections.abc import Iterator
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

import callbacks.speed as speed_module
from callbacks import Speed, SpeedCallback
from datamodules.loading.batches import ClipBatch, TextBatch

CPU = SimpleNamespace(device=torch.device("cpu"))
_TEXT = TextBatch(texts=["a"], index=torch.arange(1), videos=[[0]], first=0, items=1)
TRAINER = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cpu")))


def _videos(clips: int) -> ClipBatch:
    return ClipBatch(clips=torch.zeros(clips, 1), index=torch.arange(clips), broken=[], first=0, items=clips)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(speed_module.time, "perf_counter", clock)
    return clock


def play(
    clock: Clock,
    *batches: tuple[int, float, float],
    loader: int = 0,
    callback: SpeedCallback | None = None,
    trainer: SimpleNamespace = TRAINER,
) -> SpeedCallback:
    """A test with batches of (clips, seconds of decoding, seconds of encoding)."""
    callback = callback or SpeedCallback()
    callback.setup(trainer, CPU, "test")
    for index, (clips, decoding, encoding) in enumerate(batches):
        batch = _videos(clips) if loader == 0 else _TEXT
        clock.now += decoding
        callback.on_test_batch_start(trainer, CPU, batch, index, loader)
        clock.now += encoding
        callback.on_test_batch_end(trainer, CPU, None, batch, index, loader)
    clock.now += 3.0  # re-ranking
    callback.on_test_end(trainer, CPU)
    return callback


def test_first_batch_is_a_warm_up(clock):
    speed = play(clock, (8, 100.0, 50.0), (8, 3.0, 1.0), (4, 5.0, 2.0)).speed
    assert speed.encoder_clips_per_second == pytest.approx(12 / 3)
    assert speed.end_to_end_clips_per_second == pytest.approx(12 / 11)
    assert speed.clips_measured == 12


def test_a_single_batch_is_measured_from_the_start(clock):
    speed = play(clock, (6, 2.0, 1.0)).speed
    assert speed.encoder_clips_per_second == pytest.approx(6)
    assert speed.end_to_end_clips_per_second == pytest.approx(2)


def test_seconds_cover_the_whole_evaluation(clock):
    assert play(clock, (6, 2.0, 1.0)).speed.seconds == pytest.approx(6.0)


def test_batches_of_broken_videos_take_time_but_are_no_warm_up(clock):
    speed = play(clock, (0, 9.0, 0.0), (4, 1.0, 1.0), (0, 2.0, 0.0), (4, 1.0, 1.0)).speed
    assert speed.encoder_clips_per_second == pytest.approx(4)
    assert speed.end_to_end_clips_per_second == pytest.approx(4 / 4)
    assert speed.clips_measured == 4


def test_nothing_measured_is_none_not_zero(clock):
    speed = play(clock, (0, 1.0, 0.0)).speed
    assert (speed.encoder_clips_per_second, speed.end_to_end_clips_per_second) == (None, None)


def test_text_batches_are_not_timed(clock):
    assert play(clock, (0, 1.0, 1.0), loader=1).speed.clips_measured == 0


class Memory:
    """Stands for the device's record of a peak: each test has the next one."""

    peaks: ClassVar[Iterator[int]]

    def __init__(self, device: torch.device) -> None:
        self._peak = next(self.peaks)

    def peak(self) -> tuple[int, str]:
        return self._peak, "memory"


def test_the_tests_of_all_seeds_are_measured_together(clock, monkeypatch):
    monkeypatch.setattr(speed_module, "PeakMemory", Memory)
    Memory.peaks = iter([300, 500, 400])
    callback = SpeedCallback()
    loaders = [SimpleNamespace(waited_seconds=seconds) for seconds in (5.0, 0.25, 0.5)]
    tests = [
        ([(4, 6.0, 9.0), (4, 3.0, 1.0)], [loaders[0]], 0),
        ([(4, 0.0, 2.0), (4, 1.0, 1.0)], loaders[1:], 8),  # two loaders, as of base and novel classes
        ([(6, 1.0, 2.0)], loaders[2], 8),  # a single batch counts from the start
    ]
    for batches, test_dataloaders, num_kept_clips in tests:
        kept = SimpleNamespace(num_kept_clips=num_kept_clips)
        trainer = SimpleNamespace(strategy=TRAINER.strategy, datamodule=kept, test_dataloaders=test_dataloaders)
        play(clock, *batches, callback=callback, trainer=trainer)
        clock.now += 1000.0  # between tests, the next seed's weights are read
    assert callback.speed == Speed(
        encoder_clips_per_second=pytest.approx((4 + 4 + 6) / (1 + 1 + 2)),
        end_to_end_clips_per_second=pytest.approx((4 + 4 + 6) / (4 + 2 + 3)),
        clips_measured=14,
        peak_memory_bytes=500,
        peak_memory_of="memory",
        seconds=pytest.approx((19 + 3) + (4 + 3) + (3 + 3)),
        input_seconds=pytest.approx(5.0 + 0.25 + 0.5 + 0.5),
        kept_videos=8,
    )


def test_a_test_that_has_begun_is_not_measured_yet(clock):
    callback = play(clock, (6, 2.0, 1.0))
    callback.setup(TRAINER, CPU, "test")
    assert callback.speed is None


def test_a_seed_without_a_clip_changes_no_rate(clock):
    callback = play(clock, (6, 2.0, 1.0))
    speed = play(clock, (0, 5.0, 1.0), callback=callback).speed
    assert speed.encoder_clips_per_second == pytest.approx(6)
    assert speed.end_to_end_clips_per_second == pytest.approx(2)


def test_rates_of_several_processes_add_up_and_the_longest_and_the_largest_count():
    first = Speed(2.0, 1.0, 8, 100, "memory", seconds=10.0, input_seconds=4.0, kept_videos=3)
    second = Speed(3.0, 0.5, 7, 300, "memory", seconds=9.0, input_seconds=5.0, kept_videos=2)
    together = Speed(5.0, 1.5, 15, 300, "memory", seconds=10.0, input_seconds=5.0, kept_videos=5)
    assert first.with_others([second]) == second.with_others([first]) == together
    assert first.with_others([]) == first


def test_a_process_that_measured_nothing_adds_nothing_and_none_of_all_is_none():
    idle = Speed(None, None, 0, 100, "memory", seconds=10.0)
    busy = Speed(2.0, 1.0, 8, 100, "memory", seconds=10.0)
    assert idle.with_others([busy, idle]) == busy
    assert idle.with_others([idle]).encoder_clips_per_second is None
