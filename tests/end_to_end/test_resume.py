"""An evaluation that was killed, or ran out of disk, goes on where it was and ends as if nothing had happened."""

import json
import os
import random
import re
import signal
from pathlib import Path

import pytest
import torch

from tests.helpers.kills import Death, in_a_process, kill_at_first
from tests.helpers.tasks import TASKS, command, outcome, run
from tests.helpers.tiny_run import write_checkpoint
from vidtldr.cli.entry import run as run_here
from vidtldr.evaluation.run_folder import Run, fingerprint

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
KILLS = 10


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return TASKS["retrieval"](tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="module")
def uninterrupted(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, bytes]:
    output = tmp_path_factory.mktemp("uninterrupted")
    assert run_here("vidtldr.cli.evaluate", command(options, output)[2:]) == 0
    return outcome(output)


def test_ten_kills_at_random_points_change_nothing(options, uninterrupted, tmp_path):
    rng = random.Random(0)
    output, log = tmp_path / "out", tmp_path / "log"
    argv = command(options, output)[2:]
    for _ in range(KILLS):
        process = in_a_process(argv, log, Death(output, "*/*", units=rng.randint(0, 3), later=rng.randint(0, 3)))
        process.join(300)
        assert process.exitcode == -signal.SIGKILL, f"it ended before the last kill: {log.read_text()}"
    assert list(output.glob("*/work/*")), "nothing was left to go on with"
    process = in_a_process(argv, log)
    process.join(300)
    assert process.exitcode == 0, log.read_text()
    assert outcome(output) == uninterrupted


def test_a_full_disk_ends_in_one_sentence_and_leaves_what_was_done(options, uninterrupted, tmp_path):
    kibibytes = int(0.8 * len(uninterrupted[1]) / 1024)  # room for the samples of two of three methods
    here = command(options, tmp_path, "--data.num_workers=0")  # workers hand clips over in files
    limited = ["bash", "-c", f'ulimit -f {kibibytes}; exec "$@"', "bash", *here]
    done = run(limited)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "samples.jsonl: File too large; free space" in done.stderr.strip().splitlines()[-1]
    (folder,) = tmp_path.iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert not results["finished"]
    assert list(results["methods"]) == ["base", "tome"]
    again = run(command(options, tmp_path))
    assert again.returncode == 0, again.stderr
    assert f"going on with {folder}" in again.stderr
    assert "base · encode" not in again.stderr  # not done again
    assert "encode videos: 10 of 10" not in again.stderr  # nor what vid-TLDR had encoded
    assert outcome(tmp_path) == uninterrupted


def test_processes_go_on_with_what_one_has_begun(options, uninterrupted, tmp_path):
    kill_at_first(options, tmp_path, "tome/videos")
    done = run(command(options, tmp_path, "--trainer.devices=2"))
    assert done.returncode == 0, done.stderr
    assert "going on with" in done.stderr
    assert outcome(tmp_path) == uninterrupted


@pytest.fixture
def unfinished(options: list[str], tmp_path: Path) -> Path:
    """The output folder of a run that was killed."""
    kill_at_first(options, tmp_path, "base/videos")
    return tmp_path


def test_fresh_begins_anew(options, uninterrupted, unfinished, capsys):
    (old,) = unfinished.iterdir()
    assert run_here("vidtldr.cli.evaluate", command(options, unfinished, "--fresh")[2:]) == 0
    (new,) = set(unfinished.iterdir()) - {old}
    assert not (old / "work").exists()
    assert json.loads((new / "results.json").read_text())["finished"]


@pytest.mark.parametrize("changed", ["config", "checkpoint", "data"])
def test_a_run_of_another_cause_is_not_gone_on_with(changed, options, unfinished, tmp_path, caplog):
    more = []
    if changed == "config":
        more = ["--methods.tome.r=1"]
    elif changed == "checkpoint":
        torch.manual_seed(1)
        path = write_checkpoint(tmp_path.parent / "other.pth")
        content = torch.load(path, weights_only=True)
        content["epoch"] = 10
        torch.save(content, path)
        more = [f"--model.checkpoint={path}"]
    else:
        root = next(option for option in options if option.startswith("--data.root=")).partition("=")[2]
        os.utime(next(Path(root).rglob("*.mp4")))
    before = set(unfinished.iterdir())
    assert run_here("vidtldr.cli.evaluate", command(options, unfinished, *more)[2:]) == 0
    assert len(set(unfinished.iterdir()) - before) == 1
    assert re.search(f"is unfinished, but of another [a-z ]*{changed}: it is not gone on with", caplog.text)


def test_two_runs_at_once_do_not_share_a_folder(tmp_path):
    cause = {"config": "a"}
    first = Run.open(tmp_path, cause)
    second = Run.open(tmp_path, cause)
    assert first.folder != second.folder
    first.close()
    second.close()


def test_number_of_processes_and_workers_are_no_cause() -> None:
    config = {
        "output": "here",
        "trainer": {"devices": 1, "precision": "32-true"},
        "data": {"class_path": "MSVD", "init_args": {"root": "data", "num_workers": 2}},
    }
    other = {
        "output": "there",
        "trainer": {"devices": 8, "precision": "32-true"},
        "data": {"class_path": "MSVD", "init_args": {"root": "data", "num_workers": 12}},
    }
    assert fingerprint(config) == fingerprint(other)
    other["data"]["init_args"]["root"] = "elsewhere"
    assert fingerprint(config) != fingerprint(other)
    assert fingerprint(config, checkpoint="a") != fingerprint(config, checkpoint="b")


def test_what_cannot_be_read_back_is_named(options, unfinished, capsys):
    unit = next(unfinished.glob("*/work/base/videos/*.safetensors"))
    unit.write_bytes(unit.read_bytes()[:100])
    assert run_here("vidtldr.cli.evaluate", command(options, unfinished)[2:]) == 2
    assert f"{unit} cannot be read back" in capsys.readouterr().err
