"""Successive halving: many candidates on few videos, few candidates on many.

On a rung all candidates are evaluated on the same videos, and compared with each other alone: a score on a part of a
gallery is no estimate of the score on the whole (recall falls as a gallery grows). What goes on is decided by the order
of the scores and by paired differences, which the videos of a rung do tell.

K. Jamieson, A. Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, AISTATS 2016.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vidtldr.errors import UserError
from vidtldr.results.bootstrap import LEVEL, Contributions, paired_interval

_DRAWS = 10_000  # of the videos: the ends of intervals of more than 95 % are rare

Evaluate = Callable[[int, list[str]], Mapping[str, Contributions]]
"""Evaluates candidates on one in so many videos."""


@dataclass(frozen=True)
class Rung:
    """What a rung decided for the candidates of one budget.

    Attributes:
        one_in: One in so many videos was looked at.
        tried: Candidates that were evaluated.
        worse: Those that are below the best beyond chance.
        best_first: Those that go on, by falling score; on the last rung, the order in which they end.
    """

    one_in: int
    tried: tuple[str, ...]
    worse: tuple[str, ...]
    best_first: tuple[str, ...]


def check_rungs(rungs: Sequence[int]) -> None:
    """Refuse rungs that do not lead to all videos.

    Raises:
        UserError: As said.
    """
    if not rungs or rungs[-1] != 1 or any(later >= one for one, later in pairwise(rungs)):
        told = " ".join(map(str, rungs))
        raise UserError(f"--rungs {told}: one in so many videos, fewer on each rung and 1 on the last, such as 8 4 2 1")


def climb(groups: Sequence[Sequence[str]], rungs: Sequence[int], evaluate: Evaluate) -> Iterator[list[Rung]]:
    """Evaluate candidates rung by rung; at most half of each group goes on.

    Where every group is down to one candidate, the rungs before the last are left out.

    Args:
        groups: Candidates of each budget.
        rungs: See :func:`check_rungs`.
        evaluate: Called once a rung, with the candidates of all groups.

    Yields:
        What each rung has decided, for each group.
    """
    left = [tuple(group) for group in groups]
    for one_in in rungs:
        last = one_in == rungs[-1]
        if not last and all(len(group) == 1 for group in left):
            continue
        found = evaluate(one_in, list(dict.fromkeys(name for group in left for name in group)))
        decided = [_decide(one_in, group, found, halve=not last) for group in left]
        left = [rung.best_first for rung in decided]
        yield decided


def _decide(one_in: int, tried: tuple[str, ...], found: Mapping[str, Contributions], *, halve: bool) -> Rung:
    scores = {name: float(np.nan_to_num(found[name].score(), nan=-1.0)) for name in tried}
    order = sorted(tried, key=lambda name: -scores[name])  # of equal scores, the first one leads
    # Of many intervals of 95 % one or another lies below zero by chance: so wide that all together are right so often
    # (Bonferroni).
    level = 1 - (1 - LEVEL) / max(1, len(tried) - 1)
    worse = tuple(name for name in order[1:] if _is_worse(found[name], found[order[0]], level))
    if not halve:
        return Rung(one_in, tried, worse, tuple(order))
    most = (len(tried) + 1) // 2
    return Rung(one_in, tried, worse, tuple(name for name in order if name not in worse)[:most])


def _is_worse(candidate: Contributions, best: Contributions, level: float) -> bool:
    try:
        return paired_interval(candidate, best, draws=_DRAWS, level=level).high < 0
    except ValueError:  # too few videos to tell
        return False
