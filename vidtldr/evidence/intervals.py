"""Means over videos, and where they would lie with other videos of the same kind."""

from dataclasses import dataclass

import numpy as np

from vidtldr.results.bootstrap import DRAWS, LEVEL


@dataclass(frozen=True)
class Estimate:
    """Means of some quantities with their intervals, arrays of one shape, float64; NaN where no video has a value."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at(self, *place: int) -> tuple[float, float, float]:
        """Mean, low and high of one quantity."""
        return float(self.mean[place]), float(self.low[place]), float(self.high[place])


def mean_of_defined(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Mean of what is not NaN; NaN where nothing else is."""
    count = np.isfinite(values).sum(axis=axis)
    total = np.nansum(values, axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0))


def estimate(values: np.ndarray, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Mean over videos and its percentile interval by bootstrap: videos are drawn anew with replacement.

    All quantities see the same draws, so that the estimate of a difference of two is a paired one.

    Args:
        values: ``[videos, ...]``; NaN where a video has no value, which is then left out.
        draws: How often videos are drawn.
        level: Share of the draws within the interval.
        seed: Of the draws.
    """
    videos = len(values)
    times = np.random.default_rng(seed).multinomial(videos, np.full(videos, 1 / videos), size=draws)  # [draws, videos]
    flat = values.reshape(videos, -1)
    known = np.isfinite(flat)
    count = times @ known
    total = times @ np.where(known, flat, 0.0)
    drawn = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    low, high = (np.full(flat.shape[1], np.nan) for _ in range(2))
    if (some := known.any(axis=0)).any():
        low[some], high[some] = np.nanquantile(drawn[:, some], [(1 - level) / 2, (1 + level) / 2], axis=0)
    shape = values.shape[1:]
    return Estimate(mean_of_defined(values, axis=0), low.reshape(shape), high.reshape(shape))
