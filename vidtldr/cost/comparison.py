"""The paper's GFLOPs beside those of its schedules and of ours."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from vidtldr.cost.paper_tables import CELLS, TITLES, Cell, Schedule
from vidtldr.measuring.flops_analytic import Tower, analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import Method, Pruning, ToMe, VidTLDR
from vidtldr.results.text_tables import Block

Metric = Literal["keys", "tokens"]
METRICS: tuple[Metric, ...] = ("keys", "tokens")


@dataclass(frozen=True)
class Counted:
    """A method and what it costs."""

    method: Method
    gflops: float


@dataclass(frozen=True)
class Comparison:
    """A cell of the paper and what was counted for it.

    Attributes:
        cell: The paper's figure.
        in_print: The printed schedule, or, where the paper prints none, what we run.
        ours: What we run.
        readme: The schedule of the public README.
        alternative: Another schedule that gives the paper's figure.
    """

    cell: Cell
    in_print: Counted
    ours: Counted
    readme: Counted | None
    alternative: Counted | None

    @property
    def is_equal(self) -> bool:
        """Whether the printed schedule gives the printed GFLOPs; where none is printed, whether ours does."""
        return self.cell.is_met_by(self.in_print.gflops)

    @property
    def is_reproduced(self) -> bool:
        """Whether what we run gives the printed GFLOPs."""
        return self.cell.is_met_by(self.ours.gflops)


def compare(cell: Cell) -> Comparison:
    """Count a cell."""
    tower = cell_tower(cell)

    def counted(schedule: Schedule | None) -> Counted | None:
        return None if schedule is None else _count(tower, VidTLDR(schedule))

    return Comparison(
        cell=cell,
        in_print=_count(tower, cell.in_print),
        ours=_count(tower, cell.method),
        readme=counted(cell.readme),
        alternative=counted(cell.alternative),
    )


def cell_tower(cell: Cell) -> Tower:
    """The encoder that a cell is about."""
    return _tower(cell.backbone, cell.num_frames, cell.num_classes)


def closest_constant(tower: Tower, metric: Metric, gflops: float) -> Counted:
    """ToMe with the constant r in all layers whose cost comes closest to a figure."""
    rates = range(1, tower.num_patches // 2 + 1)
    first_below = bisect_left(rates, -gflops, key=lambda r: -analytic_gflops(tower, ToMe(r, metric=metric)))
    candidates = [ToMe(r, metric=metric) for r in rates[max(first_below - 1, 0) : first_below + 1]]
    return min((_count(tower, method) for method in candidates), key=lambda found: abs(found.gflops - gflops))


def table_blocks(cells: Iterable[Cell] = CELLS) -> list[Block]:
    """One table for each of the paper's, one of what differs, one of ToMe's constants."""
    comparisons = [compare(cell) for cell in cells]
    blocks = [
        Block(
            title,
            ["row", "schedule", "from", "GFLOPs", "paper", "verdict"],
            [_row(found) for found in comparisons if found.cell.table == number],
        )
        for number, title in TITLES.items()
    ]
    different = [_different_row(found) for found in comparisons if not found.is_equal]
    constants = [_constant_row(found.cell) for found in comparisons if isinstance(found.cell.method, ToMe)]
    return [
        *(block for block in blocks if block.rows),
        Block(
            "Different: what was printed, and what gives the paper's figure (run here)",
            ["row", "paper", "printed", "README", "gives it"],
            different,
        ),
        Block("ToMe: the constant r that comes closest", ["row", "paper", *METRICS, "fits"], constants),
    ]


def summary(cells: Iterable[Cell] = CELLS) -> str:
    """How many cells are equal, in a sentence."""
    comparisons = [compare(cell) for cell in cells]
    equal = sum(found.is_equal for found in comparisons)
    reproduced = sum(found.is_reproduced for found in comparisons)
    return (
        f"{equal} of {len(comparisons)} cells are equal, within 0.1 GFLOPs or half of the last printed digit; with the "
        f"schedules that are run here {reproduced} are. One FLOP is one multiply-add, as fvcore counts them at batch 1."
    )


def describe(method: Method) -> str:
    """A method's schedule and what else sets its cost, such as ``86, tokens``."""
    r = ",".join(map(str, method.r)) if isinstance(method.r, tuple) else str(method.r)
    details = [f"before the {method.before}"] * (method.before == "layer")
    details += [method.metric] if isinstance(method, ToMe) else []
    return ", ".join([r if method.r else "-", *details])


@cache
def _tower(backbone: str, num_frames: int, num_classes: int) -> Tower:
    return build_tower(backbone, num_frames=num_frames, num_classes=num_classes)


def _count(tower: Tower, method: Method) -> Counted:
    return Counted(method, analytic_gflops(tower, method))


def _row(found: Comparison) -> list[str]:
    cell = found.cell
    verdict = "equal" if found.is_equal else "different"
    counted = found.in_print
    return [cell.row, describe(counted.method), _origin(cell), _digits(counted.gflops), cell.paper, verdict]


def _origin(cell: Cell) -> str:
    """Where the schedule of a row is from."""
    if cell.method.r == 0:
        return "-"
    if cell.printed:
        return "Table A"
    return "the row" if isinstance(cell.method, Pruning) else "derived"


def _different_row(found: Comparison) -> list[str]:
    cell = found.cell
    fits = [counted for counted in (found.ours, found.alternative) if counted and cell.is_met_by(counted.gflops)]
    printed = _with_cost(found.in_print) if cell.printed else "-"
    gives = " or ".join(map(_with_cost, fits)) or f"nothing found; closest {_with_cost(found.ours)}"
    readme = _with_cost(found.readme) if found.readme else "-"
    return [f"Table {cell.table}: {cell.row}", cell.paper, printed, readme, gives]


def _constant_row(cell: Cell) -> list[str]:
    found = {metric: closest_constant(cell_tower(cell), metric, float(cell.paper)) for metric in METRICS}
    fits = [metric for metric, counted in found.items() if cell.is_met_by(counted.gflops)]
    constants = [f"{counted.method.r} gives {_digits(counted.gflops, 2)}" for counted in found.values()]
    return [f"Table {cell.table}: {cell.row}", cell.paper, *constants, " and ".join(fits) or "neither"]


def _with_cost(counted: Counted) -> str:
    return f"{describe(counted.method)}: {_digits(counted.gflops)}"


def _digits(gflops: float, places: int = 1) -> str:
    return f"{gflops:.{places}f}"
