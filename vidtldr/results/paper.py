"""The tables of vid-TLDR (arXiv:2403.13347) as data: what the paper prints for a cell, and where it contradicts itself.

The figures stand in ``paper.json`` beside this file, as printed. A config says which row it reproduces:
``paper: {table: 2, row: msvd}``; the cell is that of its backbone, its pre-training and each of its methods.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from vidtldr.errors import UserError

_FILE = Path(__file__).with_name("paper.json")
_EPSILON = 1e-9
_MEAN_OF = "t2v_{0}", "v2t_{0}"
"""The scores whose mean the paper calls ``r1``, ``r5`` and ``r10``."""

Schedule = tuple[int, ...]
_BACKBONES = {"umt_b": "UMT-B", "umt_l": "UMT-L", "videomae_b": "VideoMAE-B", "vifi_clip_b16": "ViFi-CLIP B/16"}
_ROWS = {
    "msrvtt": "MSR-VTT",
    "msvd": "MSVD",
    "activitynet": "ActivityNet",
    "didemo": "DiDeMo",
    "lsmdc": "LSMDC",
    "ssv2_label": "SSv2-label",
    "ssv2_template": "SSv2-template",
    "msrvtt_qa": "MSRVTT-QA",
    "msvd_qa": "MSVD-QA",
    "ucf101": "UCF101",
    "ssv2": "SSv2",
}
_METHODS = {
    "tome": "ToMe",
    "vidtldr": "vid-TLDR",
    "attentiveness": "attentiveness pruning",
    "rollout": "rollout pruning",
    "saliency_pruning": "saliency pruning",
    **{f"layer{layer}": f"at layer {layer}" for layer in range(1, 8)},
}


@dataclass(frozen=True)
class Cell:
    """One method in one row of a table.

    Attributes:
        table: Number or letter of the table.
        row: Data set.
        backbone: Published size, as ``--model.backbone`` takes it.
        method: Entry of ``methods`` in the configs: ``base``, ``tome``, ``vidtldr``, or that of an ablation.
        num_frames: Frames of a clip.
        scores: In percent, by the name that our tasks give them; ``r1``, ``r5``, ``r10`` are means of both directions.
        gflops: As printed, 563 without decimals; None where the table tells none.
        pairs: Video-text pairs of pre-training, such as ``5M``, where the table distinguishes them.
    """

    table: str
    row: str
    backbone: str
    method: str
    num_frames: int
    scores: Mapping[str, float] = field(hash=False)
    gflops: float | None = None
    pairs: str | None = None

    def __str__(self) -> str:
        """The cell within its table, as the paper words it."""
        method = _METHODS.get(self.method, self.method)
        return ", ".join(filter(None, [_BACKBONES[self.backbone], _ROWS[self.row], self.pairs, method]))

    @property
    def tolerance(self) -> float:
        """How far a count may be off: 0.1 GFLOPs, or half of the last printed digit where that is more."""
        return 0.5 if isinstance(self.gflops, int) else 0.1

    def is_met_by(self, gflops: float) -> bool:
        """Whether a count equals the printed one."""
        return self.gflops is not None and abs(gflops - self.gflops) <= self.tolerance + _EPSILON


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: What it compares.
        protocol: Options of a task that its scores rest on, such as ``num_frames``.
        cells: In the order of print.
        others: What it prints of models that are not of this project, by model.
    """

    title: str
    protocol: Mapping[str, int]
    cells: tuple[Cell, ...]
    others: tuple[Mapping[str, object], ...]


@dataclass(frozen=True)
class PaperRow:
    """The row of the paper that a config reproduces.

    Attributes:
        table: Number or letter of its table; a list where several tables print the row.
        row: Its data set.
    """

    table: int | str | list[int | str]
    row: str

    @property
    def tables(self) -> tuple[str, ...]:
        """Number or letter of each table."""
        return tuple(map(str, self.table if isinstance(self.table, list) else [self.table]))

    def check(self) -> None:
        """Refuse what the paper does not have.

        Raises:
            UserError: A table is unknown, or has no such row; the message lists the known ones.
        """
        for number in self.tables or ("[]",):
            if number not in tables():
                raise UserError(f"paper.table: the paper has no table {number}; known are {', '.join(tables())}")
            rows = dict.fromkeys(cell.row for cell in tables()[number].cells)
            if self.row not in rows:
                raise UserError(f"paper.row: Table {number} has no row {self.row}; it has {', '.join(rows)}")

    def __str__(self) -> str:
        """The row as a report names it, such as ``Table 2, MSVD``."""
        word = "Table" if len(self.tables) == 1 else "Tables"
        return f"{word} {' and '.join(self.tables)}, {_ROWS[self.row]}"

    @property
    def test_set(self) -> Mapping[str, list[int]]:
        """How many ``videos`` or ``questions`` the published test of its data set has; several copies may circulate."""
        counts: dict[str, list[int]] = _content()["test_sets"][self.row]
        return counts

    def known_pairs(self) -> list[str]:
        """The pre-trainings that its tables distinguish, in their order."""
        cells = (cell for number in self.tables for cell in tables()[number].cells if cell.row == self.row)
        return list(dict.fromkeys(cell.pairs for cell in cells if cell.pairs is not None))

    def cells(self, backbone: str, pairs: str | None = None) -> Iterator[Cell]:
        """The cells of this row for a backbone, and a pre-training where the table distinguishes several."""
        for number in self.tables:
            for cell in tables()[number].cells:
                if (cell.row, cell.backbone) == (self.row, backbone) and cell.pairs in (None, pairs):
                    yield cell


@dataclass(frozen=True)
class Inconsistency:
    """Two places of the paper that do not agree.

    Attributes:
        one: A cell.
        other: The same in another table.
        quantity: ``gflops`` or the name of a score.
        values: What the two say of it, in this order; a mean of both directions where only they are printed.
    """

    one: Cell
    other: Cell
    quantity: str
    values: tuple[float, float]


@cache
def tables() -> Mapping[str, Table]:
    """The paper's tables of GFLOPs and scores by their numbers, in order."""
    return {
        number: Table(
            title=content["title"],
            protocol=content["protocol"],
            cells=tuple(
                Cell(number, num_frames=content["protocol"]["num_frames"], **cell) for cell in content["cells"]
            ),
            others=tuple(content.get("others", ())),
        )
        for number, content in _content()["tables"].items()
    }


def schedules(source: str) -> dict[tuple[str, str], Schedule]:
    """Tokens that vid-TLDR merges per layer, by backbone and row, as the authors state them.

    Args:
        source: ``Table A`` of the paper, or its public ``README``.
    """
    return {(each["backbone"], each["row"]): tuple(each["r"]) for each in _content()["schedules"][source]}


def score_of(scores: Mapping[str, float], name: str) -> float | None:
    """A score by the paper's name, from scores that may hold its two directions alone; None if it is not to be had."""
    if name in scores:
        return scores[name]
    directions = [scores.get(pattern.format(name)) for pattern in _MEAN_OF]
    known = [score for score in directions if score is not None]
    return sum(known) / len(known) if len(known) == len(directions) else None


@cache
def inconsistencies() -> Sequence[Inconsistency]:
    """Cells that two tables print differently, beyond what rounding explains."""
    cells = [cell for table in tables().values() for cell in table.cells]
    return [found for one, other in combinations(cells, 2) if _same(one, other) for found in _differences(one, other)]


def _same(one: Cell, other: Cell) -> bool:
    return (one.row, one.backbone, one.method, one.num_frames, one.pairs) == (
        (other.row, other.backbone, other.method, other.num_frames, other.pairs)
    )


def _differences(one: Cell, other: Cell) -> Iterator[Inconsistency]:
    if one.gflops is not None and other.gflops is not None and one.gflops != other.gflops:
        yield Inconsistency(one, other, "gflops", (one.gflops, other.gflops))
    for name in dict.fromkeys([*one.scores, *other.scores]):
        first, second = score_of(one.scores, name), score_of(other.scores, name)
        # Digits are rounded once where both print the score, and twice where one prints its two directions.
        allowed = 0.0 if name in one.scores and name in other.scores else 0.1
        if first is not None and second is not None and abs(first - second) > allowed + _EPSILON:
            yield Inconsistency(one, other, name, (first, second))


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content
