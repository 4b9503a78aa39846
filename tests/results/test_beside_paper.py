"""A run beside its row of the paper: what is shown, what is written, and what is said to differ."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vidtldr.measuring.speed import Speed
from vidtldr.merging import Base, Method, ToMe, VidTLDR
from vidtldr.results.beside_paper import beside_paper, paper_block, paper_fact
from vidtldr.results.records import Evaluated, MethodResult, RunRecord
from vidtldr.results.report import markdown
from vidtldr.results.tensorboard import MethodLogger
from vidtldr.tasks import VideoQuestionAnswering, VideoTextRetrieval

RECALLS = {f"{direction}_r{k}": 40.0 + k for direction in ("t2v", "v2t") for k in (1, 5, 10)} | {"t2v_r1": 43.0}
MSVD_B = {
    "base": (Base(), 303.3),
    "tome": (ToMe(100, metric="tokens"), 218.75),
    "vidtldr": (VidTLDR((500, 200, 100, 100)), 182.2),
}


def _result(name: str, method: Method, gflops: float, videos: int, **counts: int) -> MethodResult:
    speed = Speed(12.34, 5.678, 960, 3 * 2**30, "GPU memory allocated by torch", 100.0)
    metrics = {**RECALLS, "r_mean": 42.0, "accuracy": 45.0}
    return MethodResult(name, method, gflops, metrics, speed, Evaluated(videos, videos, counts))


def _run(
    paper: object,
    methods: dict[str, tuple[Method, float]] | None = None,
    *,
    pairs: str | None = None,
    videos: int = 670,
    counts: dict[str, int] | None = None,
    task: type = VideoTextRetrieval,
    run_dir: Path = Path("outputs/x"),
    checkpoint: str | None = "umt_b.pth",
    **model: object,
) -> RunRecord:
    init_args = {"backbone": "umt_b", "num_frames": 12, "image_size": 224, "k_test": 128, **model}
    config = {"model": {"init_args": init_args}, "data": {"init_args": {}}, "paper": paper, "pairs": pairs}
    return RunRecord(
        config_name="mine",
        config=config,
        device="CPU",
        precision="32-true",
        precision_asked="32-true",
        checkpoint=checkpoint,
        checkpoint_sha256=None,
        started="2025-01-01T00:00:00+00:00",
        run_dir=run_dir,
        score_tables=VideoTextRetrieval.score_tables if task is VideoTextRetrieval else (),
        score_note="recall",
        decoder="PyAV",
        resizing="bicubic",
        results=[
            _result(name, *method, videos, **(counts or {"texts": 27763}))
            for name, method in (methods or MSVD_B).items()
        ],
    )


MSVD = {"table": [2, 3], "row": "msvd"}


def test_ours_and_the_papers_stand_side_by_side() -> None:
    block = paper_block(_run(MSVD))
    assert block is not None
    assert block.title == "here / in the paper (Tables 2 and 3, MSVD)"
    assert block.columns == ["method", "GFLOPs", "R@1", "R@5", "R@10", "t2v R@1"]
    assert block.rows == [
        ["base", "303.3 / 303.3", "42.0 / 57.1", "45.0 / 81.6", "50.0 / 87.7", "43.0 / 44.9"],
        ["tome", "218.8 / 218.7", "42.0 / 53.4", "45.0 / 77.5", "50.0 / 85.2", "43.0 / -"],
        ["vidtldr", "182.2 / 182.2", "42.0 / 57.6", "45.0 / 81.9", "50.0 / 87.9", "43.0 / 45.0"],
    ]


def test_what_differs_is_only_the_schedule_that_is_not_printed() -> None:
    assert paper_fact(_run(MSVD)) == [
        (
            "paper",
            "Tables 2 and 3, MSVD; this run differs: "
            "vidtldr with r=500,200,100,100 instead of Table A's 600,200,100,100",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"videos": 240}, "240 videos instead of 670"),
        ({"num_frames": 8}, "8 frames instead of 12"),
        ({"image_size": 96}, "96 px instead of 224"),
        ({"k_test": 32}, "best 32 re-ranked instead of 128"),
        ({"size": {"depth": 6}}, "another size of the model"),
        ({"checkpoint": None}, "random weights"),
        ({"methods": {"tome": (ToMe(50), 260.0)}}, "tome costs 260.0 GFLOPs instead of 218.7"),
    ],
)
def test_what_keeps_numbers_from_being_comparable_is_said(changes: dict, said: str) -> None:
    found = beside_paper(_run(MSVD, **changes))
    assert found is not None
    assert said in found.differs
    assert said not in beside_paper(_run(MSVD)).differs


@pytest.mark.parametrize(
    ("name", "method", "said"),
    [
        ("tome", ToMe(100, metric="tokens", merge="mlerp"), ["tome with merge=mlerp"]),
        ("tome", ToMe(100, pooling="mass"), ["tome with pooling=mass"]),
        ("tome", ToMe(100, metric="tokens"), []),
        ("vidtldr", VidTLDR((500, 200, 100, 100), sharpening=False), ["vidtldr with sharpening=False"]),
    ],
)
def test_options_that_the_papers_methods_do_not_have_are_said(name: str, method: Method, said: list[str]) -> None:
    found = beside_paper(_run({"table": 2, "row": "msvd"}, {name: (method, MSVD_B[name][1])}))
    assert [each for each in found.differs if " with " in each and "r=" not in each] == said


def test_a_row_of_printed_schedules_differs_in_nothing() -> None:
    methods = {"base": (Base(), 303.3), "vidtldr": (VidTLDR((600, 200, 100)), 178.0)}
    assert paper_fact(_run({"table": 2, "row": "msrvtt"}, methods, videos=1000)) == [("paper", "Table 2, MSR-VTT")]


def test_of_several_copies_of_a_test_set_any_will_do() -> None:
    methods = {"base": MSVD_B["base"]}
    for videos, same in ((1003, True), (1036, True), (1000, False)):
        found = beside_paper(_run({"table": 2, "row": "didemo"}, methods, videos=videos))
        assert (found.differs == []) == same
    assert found.differs == ["1,000 videos instead of 1,003 or 1,004 or 1,036"]


def test_questions_are_counted_where_they_are_what_is_scored() -> None:
    methods = {"base": (Base(), 303.3), "vidtldr": (VidTLDR((600, 200)), 188.5)}
    row = {"table": 4, "row": "msvd_qa"}
    task = VideoQuestionAnswering
    whole = beside_paper(_run(row, methods, task=task, videos=520, counts={"questions": 13157, "answers": 1000}))
    part = beside_paper(_run(row, methods, task=task, videos=520, counts={"questions": 500, "answers": 1000}))
    assert (whole.differs, part.differs) == ([], ["500 questions instead of 13,157"])
    assert whole.printed["vidtldr"].scores == {"accuracy": 49.4}


def test_zero_shot_shows_both_directions_of_the_pre_training_and_the_papers_contradiction() -> None:
    methods = {"base": (Base(), 78.5), "tome": (ToMe(20, metric="tokens"), 66.16)}
    run = _run({"table": ["B", "D"], "row": "msrvtt"}, methods, pairs="25M", videos=1000, num_frames=4)
    block = paper_block(run)
    assert block.columns[1:] == ["GFLOPs", *(f"{way} R@{k}" for k in (1, 5, 10) for way in ("t2v", "v2t"))]
    assert block.rows[1][:3] == ["tome", "66.2 / 66.2", "43.0 / 31.7"]
    assert paper_fact(run)[0][1].endswith("of tome Table B prints 63.9 GFLOPs, Table D 66.2")


def test_what_the_paper_does_not_print_is_left_out() -> None:
    run = _run(MSVD, MSVD_B | {"mine": (ToMe(30), 280.0)})
    assert [row[0] for row in paper_block(run).rows] == ["base", "tome", "vidtldr"]
    other = _run(MSVD, backbone="my_module.my_size")
    assert paper_block(other) is None
    assert "which prints none of these methods" in paper_fact(other)[0][1]
    assert (paper_block(_run(None)), paper_fact(_run(None)), beside_paper(_run(None))) == (None, [], None)


def test_report_and_results_tell_it(tmp_path: Path) -> None:
    run = _run(MSVD, run_dir=tmp_path)
    run.write()
    told = json.loads((tmp_path / "results.json").read_text())["paper"]
    assert (told["tables"], told["row"]) == (["2", "3"], "msvd")
    assert told["printed"]["tome"] == {"gflops": 218.7, "scores": {"r1": 53.4, "r5": 77.5, "r10": 85.2}}
    assert told["differs"] == ["vidtldr with r=500,200,100,100 instead of Table A's 600,200,100,100"]
    report = markdown(run)
    assert "| vidtldr | 182.2 / 182.2 | 42.0 / 57.6 |" in report
    assert "- **paper**: Tables 2 and 3, MSVD; this run differs:" in report


def test_tensorboard_has_the_papers_values_beside_ours(tmp_path: Path) -> None:
    run = _run(MSVD, run_dir=tmp_path)
    logger = MethodLogger(run.tensorboard_dir, "vidtldr", run.score_tables)
    logger.log_paper(beside_paper(run).printed["vidtldr"])
    logger.experiment.close()
    events = EventAccumulator(str(run.tensorboard_dir / "vidtldr")).Reload()
    scalars = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}
    assert scalars == pytest.approx(
        {"paper/gflops": 182.2, "paper/r1": 57.6, "paper/r5": 81.9, "paper/r10": 87.9, "paper/t2v_r1": 45.0}
    )
