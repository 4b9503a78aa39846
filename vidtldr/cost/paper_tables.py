"""The GFLOPs that the paper of vid-TLDR (arXiv:2403.13347) prints, cell by cell, and what is known of their schedules.

Of vid-TLDR the paper prints most schedules (its Table A), and its public README lists some more; where neither gives
the printed GFLOPs, :attr:`Cell.method` is a schedule that does. Of ToMe and of Tables 5 and 6 no schedule is printed:
they are derived from the GFLOPs.

Which rows ToMe's figures stand in is not known here for UMT-L and zero-shot. The seven of UMT-B are taken in the order
of the data sets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vidtldr.merging import Attentiveness, Base, Method, Rollout, SaliencyPruning, ToMe, VidTLDR

Schedule = tuple[int, ...]
METHODS = {
    "base": "base",
    "tome": "ToMe",
    "vidtldr": "vid-TLDR",
    "attentiveness": "attentiveness pruning",
    "rollout": "rollout pruning",
    "saliency_pruning": "saliency pruning",
}
BACKBONES = {"umt_b": "UMT-B", "umt_l": "UMT-L", "videomae_b": "VideoMAE-B", "vifi_clip_b16": "ViFi-CLIP B/16"}


@dataclass(frozen=True)
class Cell:
    """One GFLOPs figure of the paper.

    Attributes:
        table: Number of the table.
        backbone: Published size, as ``--model.backbone`` takes it.
        num_frames: Frames of a clip.
        data: The data set, or what the cell is about; empty where it is not known or the same for all.
        paper: GFLOPs as printed.
        method: What this project runs for it.
        printed: The schedule in the paper's Table A; ``None`` if there is none.
        readme: The one in its public README; ``None`` if there is none.
        alternative: Another schedule that gives the printed GFLOPs as well.
        num_classes: Classes of the data set, where the backbone has a head for them.
    """

    table: str
    backbone: str
    num_frames: int
    data: str
    paper: str
    method: Method
    printed: Schedule | None = None
    readme: Schedule | None = None
    alternative: Schedule | None = None
    num_classes: int = 0

    @property
    def row(self) -> str:
        """What to call the cell within its table."""
        return ", ".join(part for part in (BACKBONES[self.backbone], self.data, METHODS[self.method.name]) if part)

    @property
    def tolerance(self) -> float:
        """How far a count may be off: 0.1, or half of the last printed digit where that is more."""
        return max(0.1, 0.5 / 10 ** len(self.paper.partition(".")[2]))

    def is_met_by(self, gflops: float) -> bool:
        """Whether a count equals the printed one."""
        return abs(gflops - float(self.paper)) <= self.tolerance + 1e-9

    @property
    def in_print(self) -> Method:
        """The method with the printed schedule, or :attr:`method` if none is printed."""
        return VidTLDR(self.printed) if self.printed else self.method


# Data set, GFLOPs, what we run, Table A, README, another that fits.
_VIDTLDR_B = (
    ("MSR-VTT", "178.0", (600, 200, 100), (600, 200, 100), (600, 200, 100), None),
    ("MSVD", "182.2", (500, 200, 100, 100), (600, 200, 100, 100), (450, 250, 200), None),
    ("ActivityNet", "227.6", (500,), (500,), (500,), None),
    ("DiDeMo", "183.6", (400, 300, 100, 100), (500, 400), (250, 150, 150, 150), (400, 250, 200, 50)),
    ("LSMDC", "206.2", (400, 150, 150), (400, 150, 150), (400, 150, 150), None),
    ("SSv2-label", "212.9", (200, 200, 200, 100), (200, 200, 200, 100), (200, 200, 200, 100), None),
    ("SSv2-template", "203.7", (400, 300), (400, 300), (400, 300), None),
)
_VIDTLDR_L = (
    ("MSR-VTT", "563.1", (600, 300), (550, 400), (550, 400), None),
    ("MSVD", "563.1", (600, 300), (600, 200, 100, 100), (600, 200, 100, 100), None),
    ("ActivityNet", "572.9", (350, 350, 200), (600, 300), (600, 300), None),
    ("DiDeMo", "559.0", (800, 100), (800,), (800, 100), None),
    ("LSMDC", "583.7", (250, 250, 200, 200), (250, 250, 200, 200), (250, 250, 200, 200), None),
    ("SSv2-label", "610.9", (450, 250, 100), (450, 250, 100), (450, 250, 100), None),
    ("SSv2-template", "572.9", (350, 350, 200), (350, 300, 100, 50), (350, 300, 100, 50), None),
)
_TOME_B = (
    ("MSR-VTT", "231.4", ToMe(86, metric="tokens")),
    ("MSVD", "218.7", ToMe(100, metric="tokens")),
    ("ActivityNet", "236.8", ToMe(80, metric="tokens")),
    ("DiDeMo", "223.9", ToMe(94, metric="tokens")),
    ("LSMDC", "223.2", ToMe(95, metric="tokens")),
    ("SSv2-label", "232.2", ToMe(85, metric="tokens")),
    ("SSv2-template", "241.4", ToMe(75, metric="tokens")),
)
_TOME_L = (("529.7", ToMe(81)), ("574.5", ToMe(75, metric="tokens")), ("627.2", ToMe(65, metric="tokens")))
_TOME_B_ZERO_SHOT = (("66.2", ToMe(20, metric="tokens")), ("62.8", ToMe(25, metric="tokens")), ("63.9", ToMe(22)))
_TOME_L_ZERO_SHOT = (("182.1", ToMe(20, metric="tokens")), ("160.9", ToMe(25, metric="tokens")))
_TABLE_1 = ("237.6", "243.1", "248.6", "254.0", "259.5", "265.0", "270.5")
_MSRVTT_B = (600, 200, 100)


def _table_1() -> Iterator[Cell]:
    for layer, paper in enumerate(_TABLE_1, start=1):
        r = (0,) * (layer - 1) + (400,)
        yield Cell("1", "umt_b", 12, f"400 tokens at layer {layer}", paper, Attentiveness(r, before="layer"))


def _table_2() -> Iterator[Cell]:
    for backbone, paper, rows in (("umt_b", "303.3", _VIDTLDR_B), ("umt_l", "984.6", _VIDTLDR_L)):
        yield Cell("2", backbone, 12, "", paper, Base())
        for data, gflops, r, printed, readme, other in rows:
            yield Cell("2", backbone, 12, data, gflops, VidTLDR(r), printed, readme, other)
    for data, gflops, method in _TOME_B:
        yield Cell("2", "umt_b", 12, data, gflops, method)
    for gflops, method in _TOME_L:
        yield Cell("2", "umt_l", 12, "", gflops, method)


def _table_4() -> Iterator[Cell]:
    for backbone, base, paper, r in (
        ("umt_b", "303.3", "188.5", (600, 200)),
        ("umt_l", "984.6", "569.8", (400, 400, 100)),
    ):
        yield Cell("4", backbone, 12, "", base, Base())
        for data in ("MSRVTT-QA", "MSVD-QA"):
            yield Cell("4", backbone, 12, data, paper, VidTLDR(r), r, r)


def _tables_5_and_6() -> Iterator[Cell]:
    for data, classes, paper, r, other in (
        ("UCF101", 101, "56.1", (650, 200, 150, 150), None),
        ("SSv2", 174, "56.6", (450, 250, 250, 250), (800, 300)),
    ):
        yield Cell("5", "videomae_b", 16, data, "180.5", Base(), num_classes=classes)
        yield Cell("5", "videomae_b", 16, data, "58.4", ToMe(200, metric="tokens"), num_classes=classes)
        yield Cell("5", "videomae_b", 16, data, paper, VidTLDR(r), alternative=other, num_classes=classes)
    yield Cell("6", "vifi_clip_b16", 32, "UCF101", "563", Base())
    yield Cell("6", "vifi_clip_b16", 32, "UCF101", "279", ToMe((37, 37, 37), metric="tokens"))
    yield Cell("6", "vifi_clip_b16", 32, "UCF101", "279", VidTLDR((50, 30, 20, 10)))


def _table_7() -> Iterator[Cell]:
    yield Cell("7", "umt_b", 12, "MSR-VTT", "303.3", Base())
    yield Cell("7", "umt_b", 12, "MSR-VTT", "175.9", Attentiveness(_MSRVTT_B))
    yield Cell("7", "umt_b", 12, "MSR-VTT", "479.2", Rollout(_MSRVTT_B))
    yield Cell("7", "umt_b", 12, "MSR-VTT", "175.9", SaliencyPruning(_MSRVTT_B))
    yield Cell("7", "umt_b", 12, "MSR-VTT", "178.0", VidTLDR(_MSRVTT_B), _MSRVTT_B, _MSRVTT_B)


def _table_b() -> Iterator[Cell]:
    for backbone, base, rows in (("umt_b", "78.5", _TOME_B_ZERO_SHOT), ("umt_l", "267.8", _TOME_L_ZERO_SHOT)):
        yield Cell("B", backbone, 4, "zero-shot", base, Base())
        for gflops, method in rows:
            yield Cell("B", backbone, 4, "zero-shot", gflops, method)


CELLS: tuple[Cell, ...] = (*_table_1(), *_table_2(), *_table_4(), *_tables_5_and_6(), *_table_7(), *_table_b())
"""Every GFLOPs figure of Tables 1, 2, 4, 5, 6, 7 and B that is recorded, in the order of the tables."""
TITLES = {
    "1": "Table 1: 400 tokens dropped at one layer",
    "2": "Table 2: video-text retrieval",
    "4": "Table 4: video question answering",
    "5": "Table 5: action recognition",
    "6": "Table 6: base to novel",
    "7": "Table 7: ways of reducing tokens",
    "B": "Table B: zero-shot retrieval, 4 frames",
}
