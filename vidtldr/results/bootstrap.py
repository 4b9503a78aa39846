"""How much of a difference between two methods is chance: paired bootstrap over videos."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

DRAWS, LEVEL = 2000, 0.95
"""How often videos are drawn, and the share of the draws within the interval."""

_COMBINATIONS = ("mean", "harmonic")
_PORTION = 2**20  # weights drawn at a time, 8 MiB


@dataclass(frozen=True)
class Contributions:
    """What each cluster adds to the score of a method.

    A cluster is what is drawn as a whole: a video with all that was asked about it, since its captions, questions or
    views are hard or easy together. A part is a ratio within the score: a recall, the accuracy of a seed.

    Attributes:
        clusters: Name of each cluster, no two alike.
        hits: Correct samples of each cluster in each part, ``[clusters, parts]`` float64.
        counts: All its samples in each part, ``[clusters, parts]`` float64, >= 0.
        combine: ``mean``: mean of the parts. ``harmonic``: the first half of the parts are the seeds of base classes,
            the second half those of novel classes; the harmonic mean of the means over seeds.

    Raises:
        ValueError: Shapes, names or ``combine`` do not fit, or a number is not finite.
    """

    clusters: tuple[str, ...]
    hits: np.ndarray
    counts: np.ndarray
    combine: str

    def __post_init__(self) -> None:
        shape = np.shape(self.hits)
        if shape != np.shape(self.counts) or len(shape) != 2 or not shape[1] or shape[0] != len(self.clusters):
            raise ValueError(
                f"hits {shape} and counts {np.shape(self.counts)} must both be [clusters, parts] "
                f"with {len(self.clusters)} clusters"
            )
        if len(set(self.clusters)) != len(self.clusters):
            raise ValueError("two clusters have the same name")
        if not np.isfinite(self.hits).all() or not np.isfinite(self.counts).all() or np.any(self.counts < 0):
            raise ValueError("hits and counts must be finite, and counts not negative")
        if self.combine not in _COMBINATIONS:
            raise ValueError(f"combine={self.combine!r} must be one of {', '.join(_COMBINATIONS)}")
        if self.combine == "harmonic" and shape[1] % 2:
            raise ValueError(f"{shape[1]} parts are not as many seeds of base as of novel classes")

    def score(self, weights: np.ndarray | None = None) -> np.ndarray:
        """The score in percent, float64.

        Args:
            weights: How often each cluster counts, ``[draws, clusters]``; None is once each.

        Returns:
            ``[]``, or ``[draws]`` with weights; NaN where a part has no count.
        """
        weights = np.ones(len(self.clusters)) if weights is None else weights
        return self._combined(weights @ self.hits, weights @ self.counts)

    def running(self) -> np.ndarray:
        """The score of the first n clusters for n = 1, 2, ..., ``[clusters]``; strata come in turn.

        NaN where a part has no count yet; clusters without a count come first.
        """
        turn = np.zeros(len(self.clusters))
        for rows in self.strata():
            turn[rows] = np.arange(1, len(rows) + 1) / max(1, len(rows))
        order = np.argsort(turn, kind="stable")
        return self._combined(self.hits[order].cumsum(axis=0), self.counts[order].cumsum(axis=0))

    def _combined(self, hits: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """The score of sums ``[..., parts]``, ``[...]``."""
        ratios: np.ndarray = 100 * np.divide(hits, counts, out=np.full_like(counts, np.nan), where=counts > 0)
        if self.combine == "mean":
            mean: np.ndarray = ratios.mean(axis=-1)
            return mean
        base, novel = (half.mean(axis=-1) for half in np.split(ratios, 2, axis=-1))
        total = base + novel
        harmonic: np.ndarray = np.divide(2 * base * novel, total, out=np.zeros_like(total), where=total != 0)
        return harmonic  # of 0 and 0 it is 0

    def aligned(self, clusters: tuple[str, ...]) -> "Contributions":
        """The same with the clusters in another order, which names them all."""
        position = {name: row for row, name in enumerate(self.clusters)}
        rows = [position[name] for name in clusters]
        return Contributions(clusters, self.hits[rows], self.counts[rows], self.combine)

    def strata(self) -> list[np.ndarray]:
        """Rows of the clusters that are drawn among each other; a cluster without a count is in none.

        Raises:
            ValueError: A cluster counts in both halves of ``harmonic``.
        """
        halves = np.split(self.counts, 2, axis=1) if self.combine == "harmonic" else [self.counts]
        counted = np.array([half.any(axis=1) for half in halves])  # [strata, clusters]
        if np.any(both := counted.sum(axis=0) > 1):
            raise ValueError(f"cluster {self.clusters[int(both.argmax())]!r} counts among base and novel classes")
        return [np.flatnonzero(rows) for rows in counted]


@dataclass(frozen=True)
class Interval:
    """A difference between two scores and where it would lie with other videos of the same kind, percentage points."""

    low: float
    high: float
    difference: float


def paired_interval(
    method: Contributions, base: Contributions, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> Interval:
    """Percentile interval of ``method - base``: both are scored on the same clusters, drawn anew with replacement.

    Base and novel classes are drawn apart, so that each half keeps its number of clusters. Draws in which a part has no
    count are left out.

    Args:
        method: Contributions to the score of a method.
        base: Those to the score that it is compared with, of the same clusters in any order.
        draws: How often clusters are drawn, > 0.
        level: Share of the draws within the interval, in (0, 1).
        seed: Of the draws; the same one gives the same interval.

    Raises:
        ValueError: The two are of other clusters or parts, or have a part without any count.
    """
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws={draws} must be at least 1 and level={level} between 0 and 1")
    base = _comparable(method, base)
    difference = float(method.score() - base.score())
    if np.isnan(difference):
        raise ValueError("nothing was counted in one of the parts of the score")
    drawn = [method.score(weights) - base.score(weights) for weights in _draws(method, base, draws, seed)]
    differences = np.concatenate(drawn)
    differences = differences[~np.isnan(differences)]
    if not differences.size:
        raise ValueError(f"none of {draws} draws has a count in each part of the score: too few clusters")
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), difference)


def _comparable(method: Contributions, base: Contributions) -> Contributions:
    """``base`` with its clusters in the order of ``method``."""
    if only_one := sorted(set(method.clusters) ^ set(base.clusters)):
        raise ValueError(f"{len(only_one)} clusters have results of one of the two only: {', '.join(only_one[:5])}")
    if (method.combine, method.hits.shape) != (base.combine, base.hits.shape):
        raise ValueError(
            f"cannot compare the {method.combine} of {method.hits.shape[1]} parts "
            f"with the {base.combine} of {base.hits.shape[1]}"
        )
    return base.aligned(method.clusters)


def _draws(method: Contributions, base: Contributions, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each draw has each cluster, ``[portion, clusters]``, a portion at a time.

    Each stratum has a generator of its own: the draws do not depend on the size of a portion.
    """
    num_clusters = len(method.clusters)
    both = Contributions(method.clusters, method.hits, method.counts + base.counts, method.combine)
    strata = [(rows, np.random.default_rng([seed, number])) for number, rows in enumerate(both.strata())]
    portion = max(1, _PORTION // num_clusters)
    for first in range(0, draws, portion):
        size = min(portion, draws - first)
        weights = np.zeros((size, num_clusters))
        for rows, generator in strata:
            weights[:, rows] = _times_drawn(generator, size, len(rows))
        yield weights


def _times_drawn(generator: np.random.Generator, draws: int, number: int) -> np.ndarray:
    """How often each of ``number`` things is among ``number`` drawn with replacement, ``[draws, number]``."""
    drawn = generator.integers(number, size=(draws, number)) + number * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * number).reshape(draws, number)
