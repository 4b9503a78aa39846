import dataclasses
import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from callbacks import Speed
from vidtldr.merging import Base, Method, ToMe, VidTLDR
from vidtldr.results.differences import Difference
from vidtldr.results.records import SCHEMA_VERSION, Evaluated, MethodResult, RunRecord
from vidtldr.results.report import WIDTH, blocks, facts, markdown, print_report, render
from vidtldr.tasks import VideoTextRetrieval

KEYS = ("t2v_r1", "t2v_r5", "t2v_r10", "t2v_mean", "v2t_r1", "v2t_r5", "v2t_r10", "v2t_mean", "r_mean")
WHOLE = Evaluated(videos=970, videos_total=970, counts={"texts": 27763})
PARTIAL = Evaluated(
    videos=967, videos_total=970, counts={"texts": 27700}, missing=("a.avi", "b.avi"), broken=("c.avi",)
)


def metrics(value: float) -> dict[str, float]:
    return {prefix + key: value - (10 if prefix else 0) for prefix in ("", "dual_") for key in KEYS}


def result(
    method: Method, *, name: str | None = None, score: float = 50.0, evaluated: Evaluated = WHOLE
) -> MethodResult:
    speed = Speed(12.34, 5.678, 960, 3 * 2**30, "GPU memory allocated by torch", 100.0)
    gflops = {"base": 303.3, "tome": 218.5, "vidtldr": 182.2}[method.name]
    return MethodResult(name or method.name, method, gflops, metrics(score), speed, evaluated)


def record(*results: MethodResult, run_dir: Path = Path("outputs/x"), **changes: object) -> RunRecord:
    init_args = {"num_frames": 12, "image_size": 224, "k_test": 128, "batch_size": 8, "num_workers": 2}
    config = {"model": {"init_args": init_args}, "data": {"init_args": init_args}, "seed_everything": 0}
    facts = {
        "config_name": "umt_b_msvd",
        "config": config,
        "device": "NVIDIA H100",
        "precision": "16-mixed",
        "precision_asked": "16-mixed",
        "checkpoint": "umt_b.pth",
        "checkpoint_sha256": "0123456789abcdef" * 4,
        "started": "2025-01-01T00:00:00+00:00",
        "score_tables": VideoTextRetrieval.score_tables,
        "score_note": VideoTextRetrieval.score_note,
        "decoder": "PyAV 18.1.0 (libavcodec 62.28.102)",
        "resizing": "short side to 224 (bilinear)",
        "versions": {"torch": "2.6.0", "decord": None},
        "baselines": ["base"],
    }
    return RunRecord(**{**facts, **changes}, run_dir=run_dir, results=list(results))


THREE = (
    result(Base()),
    result(ToMe(r=92), score=48.04),
    result(VidTLDR(r=(500, 200, 100, 100)), score=49.96),
)


TOME_LESS_BASE = Difference("tome", "base", -1.96, low=-3.04, high=-0.96)
VIDTLDR_LESS_TOME = Difference("vidtldr", "tome", 1.92, low=0.5, high=3.46)


def drawn(run: RunRecord, width: int = WIDTH) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_report(run, console)
    return console.file.getvalue()


def cells(run: RunRecord, column: str, block: int = 0) -> list[str]:
    table = blocks(run)[block]
    return [row[table.columns.index(column)] for row in table.rows]


def test_each_method_is_a_row_with_its_schedule():
    assert cells(record(*THREE), "method") == ["base", "tome r=92", "vidtldr r=500,200,100,100"]


def test_a_method_under_another_name_shows_its_rule():
    assert cells(record(result(ToMe(r=3, metric="tokens"), name="wide")), "method") == ["wide [tome] r=3 metric=tokens"]


def test_gflops_are_shown_with_their_share_of_base():
    assert cells(record(*THREE), "GFLOPs") == ["303.3", "218.5 72%", "182.2 60%"]


def test_difference_to_base_is_that_of_the_mean_and_never_minus_zero():
    assert cells(record(*THREE), "Δ base") == ["-", "-2.0", "+0.0"]


def test_a_difference_comes_with_its_interval_in_the_headline_table_alone():
    run = record(*THREE, differences=[TOME_LESS_BASE, Difference("vidtldr", "base", 0.0, low=-0.04, high=0.04)])
    assert cells(run, "Δ base") == ["-", "-2.0 [-3.0, -1.0]", "+0.0 [+0.0, +0.0]"]  # never -0.0
    assert cells(run, "Δ base", block=1) == ["-", "-2.0", "+0.0"]  # those of contrastive scores were not drawn
    told = dict(facts(run))["Δ base"]
    assert told.startswith("difference in mean to base [95 % confidence interval]: paired bootstrap over videos")
    assert "Δ base" not in dict(facts(record(*THREE)))


def test_a_method_without_an_interval_shows_its_difference(tmp_path):
    run = record(*THREE, differences=[TOME_LESS_BASE], run_dir=tmp_path)
    assert cells(run, "Δ base") == ["-", "-2.0 [-3.0, -1.0]", "+0.0"]
    run.write()
    content = json.loads(run.results_path.read_text())
    assert content["baselines"] == ["base"]
    assert content["differences"] == [
        {"method": "tome", "baseline": "base", "difference": -1.96, "low": -3.04, "high": -0.96}
    ]


def test_each_baseline_has_a_column_for_all_others():
    run = record(*THREE, baselines=["base", "tome"], differences=[TOME_LESS_BASE, VIDTLDR_LESS_TOME])
    assert cells(run, "Δ base") == ["-", "-2.0 [-3.0, -1.0]", "+0.0"]
    assert cells(run, "Δ tome") == ["+2.0", "-", "+1.9 [+0.5, +3.5]"]
    assert cells(run, "Δ tome", block=1) == ["+2.0", "-", "+1.9"]
    (told,) = (text for name, text in facts(run) if name == "Δ base, Δ tome")
    assert told.startswith("difference in mean to base or tome [95 % confidence interval]")


def test_a_baseline_that_has_not_run_yet_has_no_column():
    run = record(*THREE[:2], baselines=["base", "vidtldr"])
    assert [column for column in blocks(run)[0].columns if column.startswith("Δ")] == ["Δ base"]


def test_on_a_narrow_terminal_several_baselines_have_a_table_of_their_own():
    run = record(*THREE, baselines=["base", "tome"], differences=[TOME_LESS_BASE, VIDTLDR_LESS_TOME])
    first, _, differences, speed = blocks(run, narrow=True)
    assert "Δ tome" not in first.columns
    assert differences.title == "differences in mean"
    assert differences.columns == ["method", "Δ base", "Δ tome"]
    assert differences.rows[2][1:] == ["+0.0", "+1.9 [+0.5, +3.5]"]
    assert speed.title == "speed"
    assert all(len(line) <= 100 for line in drawn(run, width=100).splitlines())
    assert "differences in mean" in drawn(run)  # as wide as the report gets is not wide enough for both


def test_without_base_there_is_no_difference_and_no_share():
    run = record(*THREE[1:])
    assert "Δ base" not in blocks(run)[0].columns
    assert cells(run, "GFLOPs") == ["218.5", "182.2"]


def test_contrastive_scores_come_in_a_block_of_their_own():
    run = record(*THREE)
    assert cells(run, "t2v R@1", block=0)[0] == "50.0"
    assert cells(run, "t2v R@1", block=1)[0] == "40.0"
    assert "GFLOPs" not in blocks(run)[1].columns


def test_a_task_without_contrastive_scores_has_one_block():
    plain = dataclasses.replace(THREE[0], metrics={key: 1.0 for key in KEYS})
    assert len(blocks(record(plain))) == 1


def test_drawn_report_fits_its_width_even_with_a_long_schedule():
    long = result(VidTLDR(r=tuple(range(240, 0, -10))), evaluated=PARTIAL)
    for run in (record(*THREE), record(result(Base(), evaluated=PARTIAL), long)):
        assert max(map(len, drawn(run).splitlines())) <= WIDTH


def test_no_number_is_broken_over_two_lines_on_a_terminal_of_80_columns():
    lines = drawn(record(result(Base()), result(ToMe(r=15)), result(VidTLDR(r=(36, 12, 6)))), width=80).splitlines()
    rows = [line.split() for line in lines if line.split()[:1] == ["vidtldr"]]
    assert [len(row) for row in rows] == [12, 10, 6]  # re-ranked, contrastive only, speed
    assert all(len(line) <= 80 for line in lines)


def test_n_of_n_stands_in_every_row_when_videos_were_left_out():
    run = record(result(Base(), evaluated=PARTIAL), result(ToMe(r=92), evaluated=PARTIAL))
    assert cells(run, "videos") == ["967 of 970"] * 2
    assert cells(run, "videos", block=1) == ["967 of 970"] * 2
    notes = dict(facts(run))
    assert notes["missing"] == "2 left out: a.avi, b.avi"
    assert notes["broken"] == "1 left out: c.avi"


def test_a_whole_evaluation_has_no_column_for_videos():
    run = record(*THREE)
    assert "videos" not in blocks(run)[0].columns
    assert dict(facts(run))["evaluated"] == "970 of 970 videos, 27,763 texts"


def test_only_the_first_missing_names_are_listed():
    names = tuple(f"{number}.avi" for number in range(20))
    evaluated = Evaluated(videos=1, videos_total=21, counts={"texts": 1}, missing=names)
    assert dict(facts(record(result(Base(), evaluated=evaluated))))["missing"].endswith("3.avi, 4.avi, …")


def test_timing_is_shown_with_device_precision_batch_size_and_decoding():
    notes = dict(facts(record(*THREE)))
    assert notes["computed"] == "NVIDIA H100, precision 16-mixed, batch size 8"
    assert "with decoding" in notes["clips/s"]
    assert "2 workers" in notes["input"]


def test_the_decoder_is_told_and_decord_with_a_warning():
    assert dict(facts(record(*THREE)))["frames"] == "decoded by PyAV 18.1.0 (libavcodec 62.28.102)"
    warned = dict(facts(record(*THREE, decoder="decord 0.6.0")))["frames"]
    assert warned == "decoded by decord 0.6.0, which gives other frames than asked for from some containers"


def test_the_protocol_tells_frames_and_their_resizing():
    told = dict(facts(record(*THREE)))["protocol"]
    assert told == "12 frames, 224x224 px, best 128 re-ranked (k_test), short side to 224 (bilinear)"


def timed(row: MethodResult, **changes: float) -> MethodResult:
    return dataclasses.replace(row, speed=dataclasses.replace(row.speed, **changes))


def test_the_wait_for_clips_is_told_of_each_method():
    run = record(timed(THREE[0], input_seconds=12.34), timed(THREE[1], input_seconds=0.04))
    assert dict(facts(run))["input"] == "waited for clips: base 12.3 of 100.0 s, tome 0.0 of 100.0 s; 2 workers"
    assert cells(run, "end-to-end clips/s") == ["5.7", "5.7"]


def test_decoding_is_called_the_bottleneck_of_methods_that_mostly_wait():
    run = record(timed(THREE[0], input_seconds=51.0), timed(THREE[1], input_seconds=50.0))
    assert dict(facts(run))["input"].endswith("decoding is the bottleneck of base: try more --data.num_workers")


def test_where_clips_were_kept_end_to_end_speed_is_not_compared():
    run = record(THREE[0], timed(THREE[1], kept_videos=1970))
    assert "each clip decoded once, 1,970 videos kept for the later methods" in dict(facts(run))["input"]
    assert "end-to-end clips/s" not in blocks(run)[0].columns
    assert "with decoding" not in dict(facts(run))["clips/s"].replace("without decoding", "")


def test_a_precision_that_the_device_lacks_is_named():
    notes = dict(facts(record(*THREE, precision="bf16-mixed")))
    assert "16-mixed was asked for" in notes["computed"]


def test_random_weights_are_called_random():
    notes = dict(facts(record(*THREE, checkpoint=None, checkpoint_sha256=None)))
    assert "random" in notes["checkpoint"]


def test_piped_report_is_markdown_with_equal_rows():
    file = io.StringIO()
    print_report(record(*THREE), Console(file=file))
    rows = [line for line in file.getvalue().splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows[:5]} == {rows[0].count("|")}
    assert "tensorboard --logdir outputs/x/tensorboard" in file.getvalue()
    assert file.getvalue().strip() == markdown(record(*THREE))


def test_every_markdown_table_follows_a_blank_line_or_its_head():
    lines = markdown(record(*THREE)).splitlines()
    heads = [index for index, line in enumerate(lines) if line.startswith("| method")]
    assert all(lines[index - 1] == "" for index in heads)


def test_results_json_is_complete_and_free_of_nan(tmp_path):
    broken = dataclasses.replace(THREE[0], metrics={**THREE[0].metrics, "t2v_r1": math.nan}, evaluated=PARTIAL)
    run = record(broken, THREE[1], run_dir=tmp_path)
    run.write()
    content = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["checkpoint"]["sha256"] == "0123456789abcdef" * 4
    assert content["resizing"] == "short side to 224 (bilinear)"
    assert content["decoder"] == "PyAV 18.1.0 (libavcodec 62.28.102)"
    base = content["methods"]["base"]
    assert base["metrics"]["t2v_r1"] is None
    assert base["metrics_over_videos"] == "967 of 970"
    assert base["missing"] == ["a.avi", "b.avi"]
    assert base["broken"] == ["c.avi"]
    assert content["methods"]["tome"]["options"]["r"] == 92
    assert content["methods"]["tome"]["memory"]["peak_memory_bytes"] == 3 * 2**30


def test_results_json_is_replaced_and_leaves_no_temporary_file(tmp_path):
    run = record(THREE[0], run_dir=tmp_path)
    run.write()
    run.results.append(THREE[1])
    run.write()
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert set(json.loads(run.results_path.read_text())["methods"]) == {"base", "tome"}


def test_names_with_brackets_are_not_taken_for_markup():
    assert "wide [tome]" in drawn(record(result(ToMe(r=3), name="wide")))
    assert render(record(*THREE)) is not None
