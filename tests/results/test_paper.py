"""The paper's tables as data: what is printed, what a config's row finds, and where the paper contradicts itself."""

import pytest

from vidtldr.errors import UserError
from vidtldr.results.paper import Cell, PaperRow, inconsistencies, schedules, score_of, tables

# As printed, by table, backbone and method, in the order of the rows; of Tables B to F each figure once.
PRINTED = {
    ("1", "umt_b", "base"): "303.3",
    ("1", "umt_b", "layer1"): "237.6",
    ("1", "umt_b", "layer7"): "270.5",
    ("2", "umt_b", "base"): "303.3",
    ("2", "umt_b", "vidtldr"): "178.0 182.2 227.6 183.6 206.2 212.9 203.7",
    ("2", "umt_b", "tome"): "231.4 218.7 236.8 223.9 223.2 232.2 241.4",
    ("2", "umt_l", "base"): "984.6",
    ("2", "umt_l", "vidtldr"): "563.1 572.9 559.0 583.7 610.9",
    ("2", "umt_l", "tome"): "529.7 574.5 627.2",
    ("4", "umt_b", "vidtldr"): "188.5",
    ("4", "umt_l", "vidtldr"): "569.8",
    ("5", "videomae_b", "tome"): "58.4",
    ("5", "videomae_b", "vidtldr"): "56.1 56.6",
    ("6", "vifi_clip_b16", "base"): "563",
    ("6", "vifi_clip_b16", "tome"): "279",
    ("7", "umt_b", "rollout"): "479.2",
    ("7", "umt_b", "saliency_pruning"): "175.9",
    ("B", "umt_b", "base"): "78.5",
    ("B", "umt_b", "tome"): "66.2 62.8 63.9",
    ("B", "umt_b", "vidtldr"): "50.6 50.2 44.7 47.3 44.5 48.2 49.0 45.0 51.0",
    ("B", "umt_l", "base"): "267.8",
    ("B", "umt_l", "tome"): "182.1 160.9",
    ("B", "umt_l", "vidtldr"): "165.3 153.6 164.8 163.0 146.5 166.2 166.7 162.5 162.0 151.7 152.7",
    ("E", "umt_l", "tome"): "182.1 160.9",
}


@pytest.mark.parametrize("key", PRINTED)
def test_figures_are_as_printed(key: tuple[str, str, str]) -> None:
    table, backbone, method = key
    cells = [cell for cell in tables()[table].cells if (cell.backbone, cell.method) == (backbone, method)]
    assert " ".join(dict.fromkeys(str(cell.gflops) for cell in cells)) == PRINTED[key]


def test_a_row_finds_the_cells_of_a_backbone_and_its_pre_training() -> None:
    row = PaperRow(table=["B", "C"], row="msvd")
    cells = list(row.cells("umt_l", "25M"))
    assert [(cell.table, cell.method, cell.gflops) for cell in cells] == [
        (table, method, gflops)
        for table in "BC"
        for method, gflops in (("base", 267.8), ("tome", 182.1), ("vidtldr", 153.6))
    ]
    assert cells[2].scores == {"r1": 62.5, "r5": 83.2, "r10": 88.8}
    assert cells[5].scores["t2v_r1"] == 49.3
    assert row.known_pairs() == ["5M", "17M", "25M"]
    assert PaperRow(2, "msvd").known_pairs() == []


def test_a_whole_number_may_be_off_by_half_and_others_by_a_tenth() -> None:
    (base, _, _) = PaperRow(6, "ucf101").cells("vifi_clip_b16")
    assert base.is_met_by(562.6)
    assert not base.is_met_by(562.4)
    (base, *_) = PaperRow(5, "ssv2").cells("videomae_b")
    assert base.is_met_by(180.6)
    assert not base.is_met_by(180.7)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (PaperRow([], "msvd"), r"paper.table: the paper has no table \[\]; known are 1, 2, .*, F"),
        (PaperRow(9, "msvd"), r"paper.table: the paper has no table 9; known are 1, 2, .*, F"),
        (PaperRow("2", "msvdd"), r"paper.row: Table 2 has no row msvdd; it has msrvtt, msvd, .*, ssv2_template"),
        (PaperRow([2, "C"], "lsmdc"), "Table C has no row lsmdc; it has msvd"),
    ],
)
def test_an_unknown_cell_is_refused(row: PaperRow, said: str) -> None:
    with pytest.raises(UserError, match=said):
        row.check()


def test_a_mean_is_taken_of_both_directions() -> None:
    assert score_of({"t2v_r1": 50.0, "v2t_r1": 52.0}, "r1") == 51.0
    assert score_of({"t2v_r1": 50.0}, "r1") is None
    assert score_of({"r1": 3.0, "t2v_r1": 50.0, "v2t_r1": 52.0}, "r1") == 3.0


def test_where_the_paper_contradicts_itself() -> None:
    found = [
        (each.one.table, each.other.table, str(each.one), each.quantity, each.values) for each in inconsistencies()
    ]
    misprint = [each for each in found if each[2].startswith(("UMT-B, MSR-VTT", "UMT-L, MSR-VTT")) and each[3] == "r10"]
    assert len(misprint) == 6  # Table B repeats R@1 in the row of R@10
    others = [each for each in found if each not in misprint]
    assert others[:2] == [
        ("B", "D", "UMT-B, MSR-VTT, 25M, ToMe", "gflops", (63.9, 66.2)),
        ("B", "E", "UMT-L, DiDeMo, 25M, ToMe", "gflops", (182.1, 160.9)),
    ]
    assert [each[2:4] for each in others[2:]] == [
        ("UMT-L, DiDeMo, 25M, ToMe", "r1"),
        ("UMT-L, DiDeMo, 25M, ToMe", "r5"),
        ("UMT-L, DiDeMo, 25M, ToMe", "r10"),
        ("UMT-L, ActivityNet, 25M, base", "r5"),
        ("UMT-L, ActivityNet, 25M, base", "r10"),
    ]


def test_the_same_cell_of_two_tables_agrees_within_rounding() -> None:
    """Table 7's row of vid-TLDR is Table 2's: 50.9 and 50.7 in the one are 50.8 in the other."""
    (two,) = [cell for cell in PaperRow(2, "msrvtt").cells("umt_b") if cell.method == "vidtldr"]
    (seven,) = [cell for cell in PaperRow(7, "msrvtt").cells("umt_b") if cell.method == "vidtldr"]
    assert isinstance(two, Cell)
    assert two.scores["r1"] == seven.scores["r1"] == pytest.approx((50.9 + 50.7) / 2)


def test_schedules_that_the_authors_state() -> None:
    printed, readme = schedules("Table A"), schedules("README")
    assert printed["umt_b", "msvd"] == (600, 200, 100, 100)
    assert readme["umt_b", "msvd"] == (450, 250, 200)
    assert printed["umt_l", "msrvtt_qa"] == readme["umt_l", "msrvtt_qa"] == (400, 400, 100)
    assert len(printed) == len(readme) == 18
