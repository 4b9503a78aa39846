"""What a schedule may cost, and which of the schedules that cost just so much are worth an evaluation."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vidtldr.errors import UserError
from vidtldr.measuring.flops_analytic import Tower
from vidtldr.merging import Method
from vidtldr.search.candidates import Candidate, Candidates, constant, falling
from vidtldr.search.costs import fitting

_FORM = re.compile(r"(\d+\.?\d*|\.\d+)(x?)")
_STEPS = 48
"""Into how many steps the tokens are divided if nobody says: 49 of UMT-B's 2,352, near the 50 of the paper's lists."""


@dataclass(frozen=True)
class Budget:
    """A limit to what a clip costs.

    Attributes:
        number: GFLOPs or milliseconds, or a share of what base costs.
        relative: Whether it is a share.
    """

    number: float
    relative: bool

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Read ``0.7x`` or ``178``.

        Raises:
            UserError: It is neither.
        """
        form = _FORM.fullmatch(text)
        if form is None or not float(form[1]):
            raise UserError(f"budget '{text}': write a number such as 178, or a share of what base costs such as 0.7x")
        return cls(float(form[1]), bool(form[2]))

    def __str__(self) -> str:
        return f"{self.number:g}{'x' if self.relative else ''}"

    def over(self, base: float) -> float:
        """The limit, where base costs so much."""
        return self.number * base if self.relative else self.number


def schedules(tower: Tower, method: Method, *, layers: int, step: int | None) -> list[Candidates]:
    """All schedules that a search looks at: falling ones and constants, none that asks a layer for more than it has.

    Raises:
        UserError: See :func:`~vidtldr.search.candidates.falling`.
    """
    step = step or max(1, tower.num_patches // _STEPS)
    constants = constant(tower, method)
    constants = constants.only(fitting(tower, method, constants.schedules))
    return [falling(tower, method, layers=min(layers, tower.depth), step=step), constants]


def close_under(listed: Iterable[Candidates], budget: float, *, slack: float, count: int) -> list[Candidate]:
    """Schedules that use a budget up, as different from each other as the lists go.

    The lists are sorted by their first layer, then by the next: evenly spaced picks lead from schedules that reduce as
    early as they can to those that put it off. Of the constants there is the dearest that the budget allows.

    Args:
        listed: From :func:`schedules`.
        budget: GFLOPs.
        slack: Share of the budget that may be left.
        count: How many to pick at most, >= 2.

    Raises:
        UserError: No schedule costs just so much.
    """
    falling_ones, constants = (each.within(budget, at_least=(1 - slack) * budget) for each in listed)
    picks = constants.nearest(budget, 1)
    places = np.unique(np.linspace(0, len(falling_ones) - 1, count - len(picks)).round().astype(int))
    picks = [*(falling_ones[place] for place in places.tolist() if len(falling_ones)), *picks]
    if not picks:
        raise UserError(
            f"no schedule costs {(1 - slack) * budget:.4g} to {budget:.4g} GFLOPs: try another budget, "
            "a larger --slack or a smaller --step"
        )
    return list({pick.method: pick for pick in picks}.values())
