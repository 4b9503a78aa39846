"""A run beside the row of the paper that its config reproduces, and how far the two compare."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidtldr.results.gflops import gflops_digits
from vidtldr.results.paper import Cell, PaperRow, inconsistencies, schedules, score_of, tables
from vidtldr.results.text_tables import Block

if TYPE_CHECKING:  # the record tells this too
    from vidtldr.results.records import MethodResult, RunRecord

_NONE = "-"
_OPTIONS = {
    "num_frames": "{} frames instead of {}",
    "image_size": "{} px instead of {}",
    "k_test": "best {} re-ranked instead of {}",
}
_OF_THE_PAPER = ("tome", "vidtldr")  # entries that are the paper's methods as they stand; its ablations change some
_DERIVED = ("r", "metric")  # options that the paper does not print: configs derive them from its GFLOPs


@dataclass(frozen=True)
class Printed:
    """What the paper prints of a method.

    Attributes:
        gflops: Of the vision encoder for a clip; None where the tables tell none.
        scores: In percent, by the paper's names; see :class:`~vidtldr.results.paper.Cell`.
    """

    gflops: float | None
    scores: Mapping[str, float]

    def scalars(self) -> dict[str, float]:
        """All values by name."""
        return ({} if self.gflops is None else {"gflops": self.gflops}) | dict(self.scores)


@dataclass(frozen=True)
class BesidePaper:
    """A run's row of the paper.

    Attributes:
        row: The row.
        printed: What it prints, by the name of a method of the run; methods that it does not know are not there.
        differs: What keeps the numbers from being comparable, in words; empty where nothing is known to.
    """

    row: PaperRow
    printed: Mapping[str, Printed]
    differs: Sequence[str]

    def to_dict(self) -> dict[str, object]:
        """As it stands in ``results.json``."""
        printed = {name: {"gflops": each.gflops, "scores": dict(each.scores)} for name, each in self.printed.items()}
        return {"tables": list(self.row.tables), "row": self.row.row, "printed": printed, "differs": list(self.differs)}


def beside_paper(record: "RunRecord") -> BesidePaper | None:
    """The row of the paper that a run's config names; None where it names none."""
    if not record.config.get("paper"):
        return None
    row = PaperRow(**record.config["paper"])
    cells = list(row.cells(str(record.setting("model", "backbone")), record.config.get("pairs")))
    by_method = {result.name: [cell for cell in cells if cell.method == result.name] for result in record.results}
    printed = {name: _printed(found) for name, found in by_method.items() if found}
    return BesidePaper(row, printed, list(_differences(record, row, by_method)))


def paper_block(record: "RunRecord") -> Block | None:
    """GFLOPs and scores of the run and of the paper, side by side; None where the paper prints none of its methods."""
    found = beside_paper(record)
    if found is None or not found.printed:
        return None
    results = [result for result in record.results if result.name in found.printed]
    columns = {
        "method": [result.name for result in results],
        "GFLOPs": [_pair(gflops_digits(result.gflops), found.printed[result.name].gflops) for result in results],
    }
    for name in _shown_scores(found.printed.values()):
        columns[_heading(name, record)] = [_score_pair(result, found.printed[result.name], name) for result in results]
    title = f"here / in the paper ({found.row})"
    return Block(title, list(columns), [list(row) for row in zip(*columns.values())])


def paper_fact(record: "RunRecord") -> list[tuple[str, str]]:
    """What a reader must know to compare the two, as a pair of a word and a sentence; none without a row."""
    found = beside_paper(record)
    if found is None:
        return []
    told = [str(found.row)]
    if not found.printed:
        told.append("which prints none of these methods")
    if found.differs:
        told.append(f"this run differs: {', '.join(found.differs)}")
    return [("paper", "; ".join(told))]


def _printed(cells: Sequence[Cell]) -> Printed:
    """One method of all tables of a row; where they differ the last one counts, which is the more detailed."""
    gflops = [cell.gflops for cell in cells if cell.gflops is not None]
    scores = {name: value for cell in cells for name, value in cell.scores.items()}
    return Printed(gflops[-1] if gflops else None, scores)


def _differences(record: "RunRecord", row: PaperRow, cells: Mapping[str, Sequence[Cell]]) -> Iterator[str]:
    if record.checkpoint is None:
        yield "random weights"
    if record.setting("model", "size"):
        yield "another size of the model"
    for option, expected in tables()[row.tables[0]].protocol.items():
        if (found := record.setting("model", option)) not in (None, expected):
            yield _OPTIONS[option].format(found, expected)
    yield from dict.fromkeys(told for result in record.results for told in _other_samples(result, row))
    for result in record.results:
        yield from _other_costs(result, cells[result.name])


def _other_samples(result: "MethodResult", row: PaperRow) -> Iterator[str]:
    for kind, published in row.test_set.items():
        found = result.evaluated.counts.get(kind, result.evaluated.videos)
        if found not in published:
            yield f"{found:,} {kind} instead of {' or '.join(f'{count:,}' for count in published)}"


def _other_costs(result: "MethodResult", cells: Sequence[Cell]) -> Iterator[str]:
    told = [cell for cell in cells if cell.gflops is not None]
    if told and not told[-1].is_met_by(result.gflops):
        yield f"{result.name} costs {gflops_digits(result.gflops)} GFLOPs instead of {told[-1].gflops}"
    if result.name in _OF_THE_PAPER:
        other = {name: value for name, value in result.method.changed_options().items() if name not in _DERIVED}
        yield from (f"{result.name} with {name}={value}" for name, value in other.items())
    for cell in cells[:1]:
        stated = schedules("Table A").get((cell.backbone, cell.row)) if cell.num_frames == 12 else None
        if cell.method == "vidtldr" and stated not in (None, result.method.r):
            yield f"{result.name} with r={_words(result.method.r)} instead of Table A's {_words(stated)}"
    for each in inconsistencies():
        if each.quantity == "gflops" and each.one in cells and each.other in cells:
            yield (
                f"of {result.name} Table {each.one.table} prints {each.one.gflops} GFLOPs, "
                f"Table {each.other.table} {each.other.gflops}"
            )


def _shown_scores(printed: Iterable[Printed]) -> list[str]:
    """Names of scores in order; a mean is left out where both of its directions are printed."""
    names = list(dict.fromkeys(name for each in printed for name in each.scores))
    return [name for name in names if not {f"t2v_{name}", f"v2t_{name}"} <= set(names)]


def _heading(name: str, record: "RunRecord") -> str:
    for table in record.score_tables:
        if name in table.columns:
            return table.columns[name]
    return f"R@{name.removeprefix('r')}"


def _score_pair(result: "MethodResult", printed: Printed, name: str) -> str:
    ours = score_of(result.metrics, name)
    return _pair(_NONE if ours is None else f"{ours:.1f}", printed.scores.get(name))


def _pair(ours: str, printed: float | None) -> str:
    return f"{ours} / {_NONE if printed is None else printed}"


def _words(r: object) -> str:
    return ",".join(map(str, r)) if isinstance(r, tuple) else str(r)
