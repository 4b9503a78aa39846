"""The paper's GFLOPs beside those of what is run here: cells that are met, cells that are not, and why."""

from collections.abc import Iterable, Iterator, Sequence

from vidtldr.cost.cells import METRICS, README, TABLE_A, CellRun, cell_runs
from vidtldr.merging import Method, Pruning, ToMe
from vidtldr.results.paper import Cell, Inconsistency, inconsistencies, tables
from vidtldr.results.text_tables import Block
from vidtldr.search.candidates import Candidate

_NONE = "-"


def table_blocks() -> list[Block]:
    """One table for each of the paper's (one for B to F), what is not met, and where the paper contradicts itself."""
    runs = cell_runs()
    zero_shot = [run for run in runs if run.cell.num_frames == 4]
    numbers = dict.fromkeys(run.cell.table for run in runs if run not in zero_shot)
    columns = ["cell", "schedule", "from", "GFLOPs", "paper", "verdict"]
    blocks = [
        Block(
            f"Table {number}: {tables()[number].title}",
            columns,
            [_row(run) for run in runs if run.cell.table == number],
        )
        for number in numbers
    ]
    zero_shot_columns = ["cell", "tables", *columns[1:]]
    blocks.append(Block("Tables B to F: zero-shot retrieval", zero_shot_columns, list(_zero_shot_rows(zero_shot))))
    return [*blocks, _not_met(runs), _stated(runs), _contradictions(), _constants(runs)]


def summary() -> str:
    """How many cells are met, in two sentences."""
    runs = cell_runs()
    met = sum(run.is_met for run in runs)
    others = sum("gflops" in model for table in tables().values() for model in table.others)
    return (
        f"{met} of {len(runs)} cells are met, within 0.1 GFLOPs or half of the last printed digit; {len(runs) - met} "
        f"are not. {others} more figures, in Table 4, are of models that are not of this project. One FLOP is one "
        "multiply-add, as fvcore counts them at batch 1."
    )


def describe(method: Method) -> str:
    """A method's schedule and what else sets its cost, such as ``86, tokens``."""
    r = ",".join(map(str, method.r)) if isinstance(method.r, tuple) else str(method.r)
    details = [f"before the {method.before}"] * (method.before == "layer")
    details += [method.metric] if isinstance(method, ToMe) else []
    return ", ".join([r if method.r else _NONE, *details])


def _row(run: CellRun) -> list[str]:
    verdict = "met" if run.is_met else "not met"
    counted = f"{run.run.gflops:.1f}"
    return [str(run.cell), describe(run.run.method), _origin(run), counted, str(run.cell.gflops), verdict]


def _zero_shot_rows(runs: Iterable[CellRun]) -> Iterator[list[str]]:
    """One row where Table B and the table of the data set print the same figure, else one for each."""
    printed: dict[str, dict[float, list[CellRun]]] = {}
    for run in runs:
        printed.setdefault(str(run.cell), {}).setdefault(run.gflops, []).append(run)
    for figures in printed.values():
        for same in figures.values():
            name, *others = _row(same[0])
            yield [name, ", ".join(run.cell.table for run in same), *others]


def _origin(run: CellRun) -> str:
    """Where the schedule that is run is from."""
    if run.run.method.r == 0:
        return _NONE
    for source in (TABLE_A, README):
        stated = run.stated(source)
        if stated is not None and stated.method == run.run.method:
            return source
    return "the row" if isinstance(run.run.method, Pruning) else "derived"


def _not_met(runs: Sequence[CellRun]) -> Block:
    rows = [
        [_place(run.cell), str(run.cell.gflops), _with_cost(run.run), _with_cost(run.nearest()), _others_say(run.cell)]
        for run in runs
        if not run.is_met
    ]
    columns = ["cell that is not met", "paper", "run here", "nearest of its kind", "printed elsewhere"]
    return Block("Not met", columns, rows)


def _stated(runs: Sequence[CellRun]) -> Block:
    rows = []
    for run in runs:
        printed = run.stated(TABLE_A)
        if printed is not None and not run.cell.is_met_by(printed.gflops):
            readme = _with_cost(run.stated(README))
            rows.append([_place(run.cell), str(run.cell.gflops), _with_cost(printed), readme, _with_cost(run.run)])
    title = "The paper with itself: schedules of Table A that do not give the GFLOPs of Table 2"
    return Block(title, ["cell", "paper", TABLE_A, README, "run here"], rows)


def _contradictions() -> Block:
    found = inconsistencies()
    title = "The paper with itself: cells that two tables print differently"
    columns = ["cell", "quantity", "one table", "the other"]
    return Block(title, columns, [[str(each.one), _quantity(each), *_two(each)] for each in found])


def _constants(runs: Sequence[CellRun]) -> Block:
    """By which metric a constant r gives ToMe's figures: what Tables 2 and B leave open."""
    rows = {}
    for run in runs:
        if run.cell.method == "tome":
            place = f"{str(run.cell).partition(',')[0]}, {run.cell.num_frames} frames"
            found = [run.nearest_constant(metric) for metric in METRICS]
            fits = [metric for metric, each in zip(METRICS, found) if run.cell.is_met_by(each.gflops)]
            told = [f"{each.method.r} gives {each.gflops:.2f}" for each in found]
            rows[place, run.gflops] = [place, str(run.cell.gflops), *told, " and ".join(fits) or "neither"]
    return Block("ToMe: the constant r that comes closest", ["encoder", "paper", *METRICS, "fits"], list(rows.values()))


def _quantity(found: Inconsistency) -> str:
    return "GFLOPs" if found.quantity == "gflops" else f"R@{found.quantity.removeprefix('r')}"


def _two(found: Inconsistency) -> list[str]:
    """Both values, with as many digits as the paper gives; a mean of two directions may have one more."""
    told = []
    for cell, value in zip((found.one, found.other), found.values):
        digits = f"{value:.2f}"
        told.append(f"{cell.table}: {digits.removesuffix('0')}")
    return told


def _others_say(cell: Cell) -> str:
    """The figure of another table for the same cell."""
    for found in inconsistencies():
        if found.quantity == "gflops" and cell in (found.one, found.other):
            other, figure = (found.other, found.values[1]) if cell == found.one else (found.one, found.values[0])
            return f"{figure} in Table {other.table}"
    return _NONE


def _place(cell: Cell) -> str:
    return f"Table {cell.table}: {cell}"


def _with_cost(counted: Candidate | None) -> str:
    return _NONE if counted is None else f"{describe(counted.method)}: {counted.gflops:.1f}"
