"""What the shipped configs run for each cell of the paper that tells GFLOPs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from vidtldr.cli.inheritance import read_config
from vidtldr.cli.pairs import choose_pairs
from vidtldr.cli.paths import CONFIG_DIR, config_names
from vidtldr.measuring.flops_analytic import Tower, analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import Method, ToMe, VidTLDR, build_method
from vidtldr.results.paper import Cell, PaperRow, schedules, tables
from vidtldr.search.candidates import Candidate, Candidates, constant, falling

TABLE_A, README = "Table A", "README"
Metric = Literal["keys", "tokens"]
METRICS: tuple[Metric, ...] = ("keys", "tokens")
"""What ToMe may compare tokens by."""


@dataclass(frozen=True)
class CellRun:
    """A cell of the paper and what is run for it.

    Attributes:
        cell: What is printed.
        config: Name of the config, with the option that it needs.
        run: The method that the config runs for it, and what it costs.
        tower: The encoder that it costs this on.
    """

    cell: Cell
    config: str
    run: Candidate
    tower: Tower

    @property
    def is_met(self) -> bool:
        """Whether what we run gives the printed GFLOPs."""
        return self.cell.is_met_by(self.run.gflops)

    @property
    def gflops(self) -> float:
        """As printed."""
        assert self.cell.gflops is not None  # else it is no cell of this list
        return self.cell.gflops

    def stated(self, source: str) -> Candidate | None:
        """vid-TLDR under the schedule that the authors state for this cell; None where they state none.

        Args:
            source: :data:`TABLE_A` or :data:`README`.
        """
        schedule = schedules(source).get((self.cell.backbone, self.cell.row))
        if schedule is None or self.cell.method != "vidtldr" or self.cell.num_frames != 12:
            return None
        return _priced(self.tower, VidTLDR(schedule))

    def nearest(self) -> Candidate | None:
        """The schedule of the same kind whose cost comes closest to the printed one; None where the kind is not known.

        ToMe's are constants by either metric; vid-TLDR's do not increase over the first four layers.
        """
        if self.cell.method == "tome":
            found = [self.nearest_constant(metric) for metric in METRICS]
            return min(found, key=lambda candidate: abs(candidate.gflops - self.gflops))
        if self.cell.method == "vidtldr":
            return _candidates(self.tower, VidTLDR()).nearest(self.gflops)[0]
        return None

    def nearest_constant(self, metric: Metric) -> Candidate:
        """ToMe with the same r in all layers whose cost comes closest to the printed one."""
        return _candidates(self.tower, ToMe(metric=metric)).nearest(self.gflops)[0]


@cache
def cell_runs() -> tuple[CellRun, ...]:
    """Every cell that tells GFLOPs and that a shipped config runs, by tables and in their order."""
    runs = [run for name in config_names() for run in _runs_of(name)]
    order = {cell: place for place, cell in enumerate(cells_with_gflops())}
    return tuple(sorted(runs, key=lambda run: order[run.cell]))


def cells_with_gflops() -> list[Cell]:
    """Every cell of the paper that tells GFLOPs of a model of this project, in the order of print."""
    return [cell for table in tables().values() for cell in table.cells if cell.gflops is not None]


def _runs_of(name: str) -> Iterator[CellRun]:
    config = read_config(CONFIG_DIR / name)
    if not config.get("paper"):
        return
    row, model = PaperRow(**config["paper"]), config["model"]["init_args"]
    known: list[str | None] = [*row.known_pairs()]
    for pairs in known or [None]:
        methods = {entry: _method(entry, options) for entry, options in choose_pairs(config["methods"], pairs).items()}
        told = name.removesuffix(".yaml") + (f" --pairs {pairs}" if pairs else "")
        for cell in row.cells(model["backbone"], pairs):
            if cell.gflops is not None:
                tower = _tower(cell.backbone, cell.num_frames, model.get("num_classes", 0))
                yield CellRun(cell, told, _priced(tower, methods[cell.method]), tower)


def _method(entry: str, options: Mapping[str, Any]) -> Method:
    return build_method(options.get("method", entry), **{key: options[key] for key in options if key != "method"})


def _priced(tower: Tower, method: Method) -> Candidate:
    return Candidate(method, analytic_gflops(tower, method))


@cache
def _tower(backbone: str, num_frames: int, num_classes: int) -> Tower:
    return build_tower(backbone, num_frames=num_frames, num_classes=num_classes)


@cache
def _candidates(tower: Tower, method: Method) -> Candidates:
    if isinstance(method, ToMe):
        return constant(tower, method)
    return falling(tower, method)
