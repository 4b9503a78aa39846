"""Measure what an evaluation takes: clips per second and peak memory."""

import resource
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from datamodules.contract import EvaluationData
from datamodules.loading.batches import ClipBatch

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"  # proc(5): sets the peak resident set size to the current one


@dataclass(frozen=True)
class Speed:
    """What was measured over one evaluation: one test, or one for each seed.

    Attributes:
        encoder_clips_per_second: Clips per second of the test step (normalise, encode, keep the tokens), the device
            synchronised; without decoding and transfer. None if nothing was measured.
        end_to_end_clips_per_second: Clips per second by the clock on the wall, decoding in the workers included.
        clips_measured: Clips that both rates rest on; the first batch of a test is a warm-up if there is more than one.
        peak_memory_bytes: See ``peak_memory_of``.
        peak_memory_of: What the peak is one of.
        seconds: All tests as a whole: encoding, re-ranking, start of the workers.
        input_seconds: How long of that the model waited for decoded clips.
        kept_videos: Videos that had been decoded before, for another method or seed; the most of any test.
    """

    encoder_clips_per_second: float | None
    end_to_end_clips_per_second: float | None
    clips_measured: int
    peak_memory_bytes: int
    peak_memory_of: str
    seconds: float
    input_seconds: float = 0.0
    kept_videos: int = 0

    def with_others(self, others: Sequence["Speed"]) -> "Speed":
        """The speed of several processes at work together: clips add up, the longest and the largest count."""
        every = (self, *others)
        return replace(
            self,
            encoder_clips_per_second=_sum(speed.encoder_clips_per_second for speed in every),
            end_to_end_clips_per_second=_sum(speed.end_to_end_clips_per_second for speed in every),
            clips_measured=sum(speed.clips_measured for speed in every),
            peak_memory_bytes=max(speed.peak_memory_bytes for speed in every),
            seconds=max(speed.seconds for speed in every),
            input_seconds=max(speed.input_seconds for speed in every),
            kept_videos=sum(speed.kept_videos for speed in every),
        )


class SpeedCallback(Callback):
    """Times the video batches of a test and watches peak memory; the result is :attr:`speed`.

    One callback measures one method: the tests that it sees, one for each seed, are taken together.

    Args:
        data: What is evaluated; None is the Trainer's datamodule.
    """

    def __init__(self, data: EvaluationData | None = None) -> None:
        super().__init__()
        self._data = data
        self.speed: Speed | None = None
        self._measured = _Measured()
        self._seconds = self._input_seconds = 0.0
        self._peak_memory_bytes = self._kept_videos = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start the clock before workers begin to decode."""
        self.speed = None
        self._clock = _ClipClock(start=time.perf_counter())
        self._memory = PeakMemory(trainer.strategy.root_device)
        kept_videos = getattr(self._data or getattr(trainer, "datamodule", None), "num_kept_clips", 0)
        self._kept_videos = max(self._kept_videos, kept_videos)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Note when a video batch enters the model."""
        if isinstance(batch, ClipBatch):
            _synchronize(pl_module.device)
            self._step_start = time.perf_counter()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note when it has left."""
        if isinstance(batch, ClipBatch):
            _synchronize(pl_module.device)
            self._clock.add(len(batch.clips), self._step_start, time.perf_counter())

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the measurements of this test and of those before it together."""
        peak_memory_bytes, peak_memory_of = self._memory.peak()
        self._peak_memory_bytes = max(self._peak_memory_bytes, peak_memory_bytes)
        self._measured += self._clock.measured()
        self._seconds += time.perf_counter() - self._clock.start
        self._input_seconds += sum(getattr(loader, "waited_seconds", 0.0) for loader in _loaders(trainer))
        self.speed = Speed(
            encoder_clips_per_second=self._measured.per_second(self._measured.encoder_seconds),
            end_to_end_clips_per_second=self._measured.per_second(self._measured.end_to_end_seconds),
            clips_measured=self._measured.clips,
            peak_memory_bytes=self._peak_memory_bytes,
            peak_memory_of=peak_memory_of,
            seconds=self._seconds,
            input_seconds=self._input_seconds,
            kept_videos=self._kept_videos,
        )


def _loaders(trainer: Trainer) -> Sequence[Any]:
    loaders: Any = getattr(trainer, "test_dataloaders", None) or ()
    return loaders if isinstance(loaders, (list, tuple)) else (loaders,)


def _sum(rates: Iterable[float | None]) -> float | None:
    measured = [rate for rate in rates if rate is not None]
    return sum(measured) if measured else None


@dataclass(frozen=True)
class _Measured:
    """Clips behind the warm-up and how long they took."""

    clips: int = 0
    encoder_seconds: float = 0.0
    end_to_end_seconds: float = 0.0

    def __add__(self, other: "_Measured") -> "_Measured":
        return _Measured(
            self.clips + other.clips,
            self.encoder_seconds + other.encoder_seconds,
            self.end_to_end_seconds + other.end_to_end_seconds,
        )

    def per_second(self, seconds: float) -> float | None:
        return self.clips / seconds if self.clips else None


@dataclass
class _ClipClock:
    """Clips and the instants (seconds) between which they were encoded; batches without clips only take time."""

    start: float
    batches: list[tuple[int, float, float]] = field(default_factory=list)

    def add(self, clips: int, begin: float, end: float) -> None:
        self.batches.append((clips, begin, end))

    def measured(self) -> _Measured:
        filled = [index for index, (clips, _, _) in enumerate(self.batches) if clips]
        if not filled:
            return _Measured()
        measured, since = self.batches, self.start
        if len(filled) > 1:
            warm_up = self.batches[filled[0]]
            measured, since = self.batches[filled[0] + 1 :], warm_up[2]
        clips = sum(batch[0] for batch in measured)
        encoder_seconds = sum(end - begin for count, begin, end in measured if count)
        return _Measured(clips, encoder_seconds, measured[-1][2] - since)


class PeakMemory:
    """Peak memory from construction on: of the GPU's allocator, else of this process."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._was_reset = False
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            self._was_reset = _reset_peak_rss()

    def peak(self) -> tuple[int, str]:
        """The peak in bytes, and what it is one of."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device), "GPU memory allocated by torch"
        if self._was_reset:
            return _status_bytes("VmHWM"), "resident memory of the main process, workers not counted"
        # Without a way to reset it, the peak never falls: a later method cannot show less than an earlier one.
        return _lifetime_peak_rss(), "resident memory of the main process since it started, workers not counted"


def _reset_peak_rss() -> bool:
    """Reset the kernel's record of the peak; False where that is not possible or not obeyed."""
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
        resident, peak = _status_bytes("VmRSS"), _status_bytes("VmHWM")
    except (OSError, KeyError):
        return False
    return peak <= resident * 1.05  # some sandboxes accept the write and ignore it


def _status_bytes(key: str) -> int:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
    return int(lines[key].split()[0]) * 1024  # given in kB


def _lifetime_peak_rss() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kB


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
