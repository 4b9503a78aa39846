import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.helpers.command import evaluate as run_evaluation
from tests.helpers.command import refused
from tests.helpers.tiny_run import tiny_options, write_checkpoint, write_msvd, write_vocabulary
from vidtldr.cli.entry import run
from vidtldr.cli.paths import PROJECT_DIR

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
METHODS = ["base", "tome", "vidtldr"]
FULL_PRECISION = "--trainer.precision=32-true"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven videos in ``msvd``, a vocabulary, a checkpoint."""
    folder = tmp_path_factory.mktemp("eval")
    write_msvd(folder / "msvd")
    write_vocabulary(folder / "vocab.txt")
    write_checkpoint(folder / "umt.pth")
    return folder


@pytest.fixture(scope="module")
def options(workshop: Path) -> list[str]:
    checkpoint = f"--model.init_args.checkpoint={workshop / 'umt.pth'}"
    return ["--config", "umt_b_msvd.yaml", *tiny_options(workshop / "msvd", workshop / "vocab.txt"), checkpoint]


@pytest.fixture(scope="module")
def finished(workshop: Path, options: list[str]) -> tuple[Path, str, str]:
    """A run of the real command in a process of its own: its folder, what it printed, what it said beside."""
    command = [sys.executable, str(PROJECT_DIR / "eval.py"), *options, FULL_PRECISION, "--output", "results"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=workshop, timeout=300)
    assert done.returncode == 0, done.stderr
    (folder,) = (workshop / "results").iterdir()
    return folder, done.stdout, done.stderr


def evaluate(options: list[str], output: Path, *more: str) -> dict:
    """Run in this process; returns the content of ``results.json``."""
    return run_evaluation([*options, FULL_PRECISION], output, *more)


# What a run leaves behind


def test_table_has_a_row_for_each_method(finished):
    _, printed, _ = finished
    rows = [line.split("|")[1].split()[0] for line in printed.splitlines() if line.startswith("| ")]
    assert rows == ["method", "---", *METHODS] * 3  # re-ranked, contrastive, and beside the paper


def test_output_ends_with_where_the_results_lie(finished):
    folder, printed, _ = finished
    assert f"results/{folder.name}/results.json" in printed
    assert f"tensorboard --logdir results/{folder.name}/tensorboard" in printed


def test_progress_without_a_terminal_is_plain_lines(finished):
    _, _, said = finished
    for method in METHODS:
        assert f"{method} · encode videos: 7 of 7" in said
        assert f"{method} · encode texts: 14 of 14" in said
        assert f"{method} · re-rank: 7 of 7" in said
    assert "\x1b" not in said


def test_lightning_does_not_chatter(finished):
    _, _, said = finished
    for word in ("GPU available", "Seed set", "Tip:", "deprecated", "num_workers"):
        assert word not in said


def test_results_tell_metrics_with_their_cause(finished, workshop):
    folder, _, _ = finished
    results = json.loads((folder / "results.json").read_text())
    assert results["finished"] is True
    assert list(results["methods"]) == METHODS
    assert results["checkpoint"]["path"] == str(workshop / "umt.pth")
    assert len(results["checkpoint"]["sha256"]) == 64
    assert results["seed"] == 0
    assert results["batch_size"] == 3
    assert results["resizing"] == "frames to 32x32 (bicubic, not antialiased)"
    assert results["precision"] == "32-true"
    assert all(results["versions"].values())
    assert results["config"]["data"]["init_args"]["num_frames"] == 4  # follows the model's
    for method in results["methods"].values():
        assert method["metrics_over_videos"] == "7 of 7"
        assert method["counts"]["texts"] == 14
        assert {"t2v_r1", "v2t_r10", "r_mean", "dual_t2v_r1", "dual_r_mean"} <= set(method["metrics"])
        assert all(0 <= value <= 100 for value in method["metrics"].values())
        assert method["speed"]["encoder_clips_per_second"] > method["speed"]["end_to_end_clips_per_second"] > 0
        assert method["speed"]["clips_measured"] == 4  # the first batch of three is a warm-up
        assert method["memory"]["peak_memory_bytes"] > 2**20


def test_merging_costs_less_than_base(finished):
    folder, _, _ = finished
    methods = json.loads((folder / "results.json").read_text())["methods"]
    assert methods["base"]["tokens_per_layer"] == [16, 16, 16]
    assert methods["tome"]["tokens_per_layer"] == [14, 12, 10]
    assert methods["vidtldr"]["tokens_per_layer"] == [13, 11, 11]
    assert all(sum(method["gflops_per_layer"]) < method["gflops"] for method in methods.values())
    assert methods["vidtldr"]["gflops_per_layer"][-1] < methods["base"]["gflops_per_layer"][-1]
    assert methods["tome"]["gflops"] < methods["base"]["gflops"]
    assert methods["vidtldr"]["gflops"] < methods["base"]["gflops"]
    assert methods["vidtldr"]["options"] == {
        "r": [3, 2],
        "background_drop": True,
        "sharpening": True,
        "score": "sharpness",
        "entropy": "mean",
        "merge": "mean",
        "pooling": "mean",
    }


def test_tensorboard_runs_lie_over_each_other(finished):
    folder, _, _ = finished
    runs = {path.name: EventAccumulator(str(path)).Reload() for path in (folder / "tensorboard").iterdir()}
    report = runs.pop("all methods")
    text = report.Tensors("report/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| base |" in text
    assert "| vidtldr r=3,2 |" in text
    assert set(runs) == set(METHODS)
    differences = {name: {"difference_to_base"} if name != "base" else set() for name in METHODS}
    groups = {"reranked", "dual", "cost", "speed", "paper", "over_layers", "over_videos", "found_among_first_K"}
    for name, events in runs.items():
        tags = events.Tags()["scalars"]
        assert {tag.partition("/")[0] for tag in tags} == groups | differences[name]
        assert {"reranked/t2v_r1", "dual/dual_r_mean", "cost/gflops", "over_videos/r_mean"} <= set(tags)
        for tag in tags:
            points = len(events.Scalars(tag))
            assert points > 1 if tag.startswith(("over_", "found_")) else points == 1, tag


def test_hyperparameters_have_the_same_keys_in_every_run(finished):
    folder, _, _ = finished
    found = {}
    for path in (folder / "tensorboard" / name for name in METHODS):
        events = EventAccumulator(str(path)).Reload()
        data = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

        hparams = HParamsPluginData.FromString(data).session_start_info.hparams
        found[path.name] = {key: value.string_value for key, value in hparams.items()}
    assert len({tuple(sorted(hparams)) for hparams in found.values()}) == 1
    assert found["vidtldr"]["r"] == "3,2"
    assert found["tome"]["method"] == "tome"


def test_saved_config_gives_the_same_numbers_again(finished, tmp_path):
    folder, _, _ = finished
    again = evaluate(["--config", str(folder / "config.yaml")], tmp_path / "out")
    first = json.loads((folder / "results.json").read_text())
    for name, method in first["methods"].items():
        assert again["methods"][name]["metrics"] == method["metrics"]


def test_msrvtt_is_evaluated_from_its_original_files(options, workshop, tmp_path):
    videos = tmp_path / "msrvtt" / "videos" / "all"
    videos.mkdir(parents=True)
    rows = ["key,vid_key,video_id,sentence"]
    for number, clip in enumerate(sorted((workshop / "msvd" / "YouTubeClips").iterdir())):
        shutil.copy(clip, videos / f"video{7020 + number}.mp4")
        rows.append(f"ret{number},msr{7020 + number},video{7020 + number},a red shape moves slowly")
    (tmp_path / "msrvtt" / "MSRVTT_JSFUSION_test.csv").write_text("\n".join(rows) + "\n")
    config = ["--config", "umt_b_msrvtt.yaml", f"--data.root={tmp_path / 'msrvtt'}", "--methods=vidtldr"]
    others = [word for word in options[2:] if not word.startswith("--data.root")]
    results = evaluate([*others, *config], tmp_path / "out")["methods"]["vidtldr"]
    assert results["metrics_over_videos"] == "7 of 7"
    # Every video has the same caption: equal scores rank in the order of the gallery, so one text in seven hits.
    assert results["metrics"]["t2v_r1"] == pytest.approx(100 / 7, abs=1e-4)


# What can be chosen


def test_methods_are_compared_with_any_of_them_in_any_order(options, tmp_path, capsys):
    results = evaluate(options, tmp_path / "out", "--only=vidtldr,tome,base", "--baseline=tome")
    assert results["baselines"] == ["base", "tome"]
    pairs = [(each["method"], each["baseline"]) for each in results["differences"]]
    assert pairs == [("vidtldr", "base"), ("tome", "base"), ("vidtldr", "tome"), ("base", "tome")]
    score = {name: method["metrics"]["r_mean"] for name, method in results["methods"].items()}
    for each in results["differences"]:
        assert each["low"] <= each["difference"] <= each["high"]
        assert each["difference"] == pytest.approx(score[each["method"]] - score[each["baseline"]], abs=1e-4)
    assert "| Δ base | Δ tome |" in capsys.readouterr().out


def test_an_unknown_baseline_is_refused_before_anything_is_read(options, capsys):
    said = refused(options, capsys, "--baseline=vidtldr,tom", "--data.root=/no/such/folder", "--data=datamodules.Demo")
    assert "unknown baseline 'tom': this run evaluates base, tome, vidtldr (did you mean tome?)" in said


def test_methods_and_limit_choose(options, tmp_path):
    results = evaluate(options, tmp_path / "out", "--methods", "vidtldr", "--limit", "4")
    assert list(results["methods"]) == ["vidtldr"]
    assert results["methods"]["vidtldr"]["metrics_over_videos"] == "4 of 4"


def test_batch_size_does_not_change_the_scores(options, tmp_path):
    one = evaluate(options, tmp_path / "one", "--data.batch_size=1", "--methods=vidtldr")
    seven = evaluate(options, tmp_path / "seven", "--data.batch_size=7", "--methods=vidtldr")
    assert one["methods"]["vidtldr"]["metrics"] == seven["methods"]["vidtldr"]["metrics"]


def test_precision_that_the_cpu_lacks_is_named_in_the_table(options, tmp_path, capsys):
    assert run("vidtldr.cli.evaluate", [*options, "--methods=base", f"--output={tmp_path}"]) == 0
    assert "precision bf16-mixed (16-mixed was asked for" in capsys.readouterr().out


def test_without_a_checkpoint_the_weights_are_called_random(options, tmp_path, capsys):
    more = ["--methods=base", f"--output={tmp_path}", "--model.checkpoint=null", FULL_PRECISION]
    assert run("vidtldr.cli.evaluate", [*options, *more]) == 0
    captured = capsys.readouterr()
    assert "random" in captured.out


# Missing and broken videos


@pytest.fixture
def damaged(workshop: Path, tmp_path: Path) -> Path:
    """The data set with one video cut short and one away."""
    root = write_msvd(tmp_path / "damaged")
    videos = root / "YouTubeClips"
    (videos / "clip2_1_8.mp4").write_bytes((videos / "clip2_1_8.mp4").read_bytes()[:1200])
    (videos / "clip5_1_8.mp4").unlink()
    return root


def test_videos_left_out_are_named_beside_every_metric(options, damaged, tmp_path, capsys):
    more = [f"--data.root={damaged}", "--data.missing=skip", "--methods=base,tome"]
    results = evaluate(options, tmp_path / "out", *more)
    for method in results["methods"].values():
        assert method["metrics_over_videos"] == "5 of 7"
        assert method["missing"] == ["clip5_1_8.mp4"]
        assert method["broken"] == ["clip2_1_8.mp4"]
        assert method["counts"]["texts"] == 10
    captured = capsys.readouterr()
    assert captured.out.count("5 of 7") == 5  # two rows in two blocks, and once below
    assert captured.err.count("left out of the evaluation") <= 1  # said once, not once a method


def test_missing_videos_are_named_before_a_model_is_built(options, damaged, capsys):
    said = refused(options, capsys, f"--data.root={damaged}", "--model.backbone=nonsense")
    assert "1 of 7 videos" in said
    assert "clip5_1_8.mp4" in said


def test_strict_stops_at_a_broken_video(options, damaged, tmp_path, capsys):
    record = json.loads((damaged / "msvd_ret_test.json").read_text())
    (damaged / "msvd_ret_test.json").write_text(
        json.dumps([entry for entry in record if "clip5" not in entry["video"]])
    )
    said = refused(options, capsys, f"--data.root={damaged}", "--strict", f"--output={tmp_path / 'out'}")
    assert "clip2_1_8.mp4" in said


def test_strict_stops_at_a_missing_video(options, damaged, capsys):
    assert "clip5_1_8.mp4" in refused(options, capsys, f"--data.root={damaged}", "--data.missing=skip", "--strict")


# Mistakes of a user


def test_wrong_data_path(options, capsys):
    assert "/no/such/folder" in refused(options, capsys, "--data.root=/no/such/folder")


def test_missing_annotation(options, tmp_path, capsys):
    assert "annotation" in refused(options, capsys, f"--data.root={tmp_path}")


def test_missing_checkpoint(options, capsys):
    assert "'nothere.pth' does not exist" in refused(options, capsys, "--model.checkpoint=nothere.pth")


def test_checkpoint_that_does_not_fit(options, capsys):
    said = refused(options, capsys, '--model.size={"width": 64, "num_heads": 2, "vocab_size": 15}')
    assert "does not fit" in said


def test_checkpoint_with_code_in_it_is_refused_and_not_run(options, tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"model": Trap()}, tmp_path / "trap.pth", pickle_module=pickle)
    assert "trap.pth" in refused(options, capsys, f"--model.checkpoint={tmp_path / 'trap.pth'}")
    assert not (tmp_path / "sprung").exists()


def test_texts_longer_than_the_text_encoder_takes(options, capsys):
    said = refused(options, capsys, "--model.max_text_length=17")
    assert "max_text_length=17 exceeds the 16 positions of the text encoder" in said


def test_tokenizer_that_is_not_available(options, capsys):
    assert "vocab.txt" in refused(options, capsys, "--model.tokenizer=/no/such/vocab.txt")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_where_one_was_asked_for(options, capsys):
    assert "gpu" in refused(options, capsys, "--trainer.accelerator=gpu")


def test_unknown_method(options, capsys):
    assert "unknown method 'tom': the config has base, tome, vidtldr" in refused(options, capsys, "--methods=tom")


def test_schedule_deeper_than_the_model(options, capsys):
    assert "methods.vidtldr does not fit" in refused(options, capsys, "--methods.vidtldr.r=[1,1,1,1]")


def test_output_that_cannot_be_written(options, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "file" in refused(options, capsys, f"--output={tmp_path / 'file' / 'out'}")


def test_nothing_is_written_after_a_mistake(options, tmp_path, capsys):
    refused(options, capsys, f"--output={tmp_path / 'out'}", "--model.checkpoint=nothere.pth")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_is_one_line_and_exit_code_130(workshop, options, tmp_path):
    many = {f"tome{number}": {"method": "tome", "r": 2} for number in range(1000)}  # a run of some minutes
    others = [word for word in options if not word.startswith("--methods")]
    more = [f"--methods={json.dumps(many)}", f"--output={tmp_path}", "--data.num_workers=0"]
    command = [sys.executable, str(PROJECT_DIR / "eval.py"), *others, *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("*/results.json")) and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        for _ in range(8):  # Python drops an interrupt that comes while it cleans up an object: press again
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=5)
                break
    finally:
        process.kill()
    _, said = process.communicate()
    # A press that comes while Python shuts down ends it at once; a shell says 130 of that, too.
    assert process.returncode in (130, -signal.SIGINT), said
    assert said.strip().splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
