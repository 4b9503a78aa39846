"""Any two methods of a run compared by the score that the task names."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from vidtldr.errors import UserError, did_you_mean
from vidtldr.merging import Method
from vidtldr.results.bootstrap import Contributions, paired_interval

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Difference:
    """How far the compared score of a method is from that of another, in percentage points.

    Attributes:
        method: The method.
        baseline: What it is compared with.
        difference: Score of the method less that of the baseline.
        low: Lower end of its interval; see :func:`~vidtldr.results.bootstrap.paired_interval`.
        high: Upper end.
    """

    method: str
    baseline: str
    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{signed(self.difference)} {self.told_interval}"

    @property
    def told_interval(self) -> str:
        """The interval as tables show it."""
        return f"[{signed(self.low)}, {signed(self.high)}]"


def signed(points: float) -> str:
    """Percentage points with their sign, as tables show differences."""
    return f"{round(points, 1) + 0.0:+.1f}"  # rounded first, so that it never shows as -0.0


def choose_baselines(methods: Mapping[str, Method], asked: Sequence[str] = ()) -> list[str]:
    """Names of the methods that the others are compared with: base, if it is among them, and those asked for.

    Raises:
        UserError: One that is asked for is not evaluated.
    """
    if unknown := [name for name in asked if name not in methods]:
        hint = did_you_mean(unknown[0], methods)
        raise UserError(f"unknown baseline '{unknown[0]}': this run evaluates {', '.join(methods)}{hint}")
    base = [name for name, method in methods.items() if method.name == "base"][:1]
    return list(dict.fromkeys([*base, *asked]))


def pairs(methods: Collection[str], baselines: Sequence[str]) -> list[tuple[str, str]]:
    """Each baseline with each other method.

    >>> pairs(["base", "tome", "vidtldr"], ["base", "tome"])
    [('tome', 'base'), ('vidtldr', 'base'), ('base', 'tome'), ('vidtldr', 'tome')]
    """
    present = [baseline for baseline in baselines if baseline in methods]
    return [(method, baseline) for baseline in present for method in methods if method != baseline]


def compare(
    contributions: Mapping[str, Contributions], baselines: Sequence[str], known: Sequence[Difference] = ()
) -> list[Difference]:
    """Compare the methods that are there, in the order of the baselines, then of the methods.

    Args:
        contributions: To the score of each method.
        baselines: What to compare with; those that are not there yet are passed over.
        known: Differences of these methods that were found before, which are not drawn again.

    Returns:
        Those for which an interval can be told; of the others a warning tells why not.
    """
    found = {(each.method, each.baseline): each for each in known}
    wanted = pairs(contributions, baselines)
    for method, baseline in wanted:
        if (method, baseline) not in found:
            try:
                interval = paired_interval(contributions[method], contributions[baseline])
            except ValueError as error:
                _log.warning("no confidence interval for %s - %s: %s", method, baseline, error)
            else:
                found[method, baseline] = Difference(method, baseline, **asdict(interval))
    return [found[pair] for pair in wanted if pair in found]
