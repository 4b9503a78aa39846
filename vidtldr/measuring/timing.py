"""Interleaved timing: machines drift, so what is compared takes turns and only ratios within a round count."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Run = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Times of one candidate.

    Attributes:
        seconds: Of each round.
        ratios: Time of the first candidate in the same round over this one's: above 1 is faster.
    """

    seconds: tuple[float, ...]
    ratios: tuple[float, ...]

    @property
    def median_seconds(self) -> float:
        """Median time of a run."""
        return statistics.median(self.seconds)

    @property
    def median_ratio(self) -> float:
        """Median of the ratios: how many times as fast as the first candidate."""
        return statistics.median(self.ratios)


def interleaved(
    candidates: Mapping[str, Run], *, rounds: int, device: torch.device, on_run: Callable[[], None] = lambda: None
) -> dict[str, Timing]:
    """Time candidates by turns, each once a round, after a first run that warms up and is not counted.

    Args:
        candidates: What to run, by name; the first is what the others are compared with.
        rounds: Rounds that count, >= 1.
        device: Where they run; a GPU is synchronised before the clock is read.
        on_run: Called after each run.

    Raises:
        ValueError: There is nothing to compare.
    """
    if rounds < 1 or not candidates:
        raise ValueError(f"nothing to time: {len(candidates)} candidates in {rounds} rounds")
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for counted in (False, *[True] * rounds):
        for name, run in candidates.items():
            taken = _timed(run, device)
            if counted:
                seconds[name].append(taken)
            on_run()
    first = seconds[next(iter(candidates))]
    return {
        name: Timing(tuple(times), tuple(a / b for a, b in zip(first, times, strict=True)))
        for name, times in seconds.items()
    }


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _timed(run: Run, device: torch.device) -> float:
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - start
