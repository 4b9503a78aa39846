"""The schedules that a search looks at, with their costs."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from vidtldr.errors import UserError
from vidtldr.measuring.flops_analytic import Tower
from vidtldr.merging import Method
from vidtldr.search.costs import Counts, fitting, schedule_gflops

MOST = 2_000_000
"""Schedules that are listed at most: some hundred megabytes and a few seconds."""


@dataclass(frozen=True)
class Candidate:
    """A method with a schedule, and what it costs for a clip."""

    method: Method
    gflops: float


@dataclass(frozen=True, eq=False)
class Candidates:
    """Schedules of one method.

    Attributes:
        method: The method; its own ``r`` does not matter.
        schedules: Tokens that go in the first k layers, ``[s, k]``.
        gflops: Billions of multiply-adds for a clip, ``[s]``.
        depth: Layers of the model.
        kind: What they have in common, in words.
    """

    method: Method
    schedules: Counts
    gflops: NDArray[np.float64]
    depth: int
    kind: str

    def __len__(self) -> int:
        return len(self.schedules)

    def __getitem__(self, index: int) -> Candidate:
        return Candidate(replace(self.method, r=self._rates(index)), float(self.gflops[index]))

    def nearest(self, gflops: float, count: int = 1) -> list[Candidate]:
        """Those whose cost comes closest to a figure, the closest first."""
        order = np.argsort(np.abs(self.gflops - gflops), kind="stable")
        return [self[index] for index in order[:count].tolist()]

    def within(self, budget: float, *, at_least: float = 0.0) -> "Candidates":
        """Those that cost at most so many GFLOPs, and no less than others."""
        return self.only((self.gflops <= budget) & (self.gflops >= at_least))

    def only(self, kept: NDArray[np.bool_]) -> "Candidates":
        """Those that are kept, ``[s]``."""
        return replace(self, schedules=self.schedules[kept], gflops=self.gflops[kept])

    def _rates(self, index: int) -> int | tuple[int, ...]:
        """A schedule as a config writes it: a number for every layer, or a list without the zeros at its end."""
        rates = [int(rate) for rate in self.schedules[index]]
        if len(rates) == self.depth and len(set(rates)) == 1:
            return rates[0]
        while rates and not rates[-1]:
            rates.pop()
        return tuple(rates)


def constant(tower: Tower, method: Method) -> Candidates:
    """The same number of tokens in every layer, as long as there are as many; at most half of those at the start."""
    rates = np.arange(1, tower.num_patches // 2 + 1)
    schedules = np.repeat(rates[:, None], tower.depth, axis=1)
    return _priced(tower, method, schedules, f"the same r in all {tower.depth} layers")


def falling(
    tower: Tower, method: Method, *, layers: int = 4, step: int = 50, totals: Collection[int] = ()
) -> Candidates:
    """Multiples of a step over the first layers, each at most as many as the layer before; none in later layers.

    Args:
        tower: The encoder.
        method: The method.
        layers: How many layers may reduce.
        step: What every number of tokens is a multiple of.
        totals: Tokens that go in all layers together; empty allows any number.

    Raises:
        UserError: The model is not that deep, the step is no number of tokens, or the schedules are too many to list.
    """
    most = method.most(tower.num_patches + tower.num_prefix, tower.num_prefix)
    if not 1 <= layers <= tower.depth:
        raise UserError(f"layers={layers}: the model has 1 to {tower.depth}")
    if not 1 <= step <= most:
        raise UserError(f"step={step} is not between 1 and the {most} tokens that can go in the first layer")
    if (count := math.comb(most // step + layers, layers)) > MOST:
        raise UserError(f"{count:,} schedules are too many to list: take a larger step than {step} or fewer layers")
    multiples = range(most - most % step, -1, -step)
    listed = np.array(list(combinations_with_replacement(multiples, layers)), np.int64)
    reducing = listed[:-1]  # the last one is all zeros
    reducing = reducing[fitting(tower, method, reducing)]
    if totals:
        reducing = reducing[np.isin(reducing.sum(axis=1), list(totals))]
    kind = f"non-increasing multiples of {step} over the first {layers} layers"
    told = f", {' or '.join(map(str, totals))} in all" if totals else ""
    return _priced(tower, method, reducing, kind + told)


def _priced(tower: Tower, method: Method, schedules: Counts, kind: str) -> Candidates:
    return Candidates(method, schedules, schedule_gflops(tower, method, schedules), tower.depth, kind)
