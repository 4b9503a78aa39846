"""The whole command on a handful of videos: what it leaves, killed and resumed, on two processes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers.tasks import TASKS, environment, run
from vidtldr.cli.entry import run as run_here
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.paths import PROJECT_DIR
from vidtldr.evaluation.methods import build_methods
from vidtldr.search.outcome import CHART, CONFIG

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

SEARCH = ["--budget-gflops=0.8x", "--slack=0.2", "--candidates=4", "--rungs", "4", "2", "1"]
_DIES = """
import os, sys
from pathlib import Path
from tests.end_to_end.test_resume import Death
from vidtldr.cli.entry import run
sys.addaudithook(Death(Path(sys.argv[1]), sys.argv[2], units=int(sys.argv[3])).watch(os.getpid()))
sys.exit(run("vidtldr.search.command", sys.argv[4:]))
"""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*TASKS["retrieval"](tmp_path_factory.mktemp("search")), *SEARCH, "--trainer.precision=32-true"]


@pytest.fixture(scope="module")
def alone(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process leaves that nobody has disturbed."""
    output = tmp_path_factory.mktemp("alone")
    assert run_here("vidtldr.search.command", [*options, f"--output={output}"]) == 0
    return output


def left(output: Path) -> dict[str, object]:
    """Everything in the only folder of a search but times, dates and the number of processes."""
    (folder,) = output.iterdir()
    content: dict[str, object] = {CHART: (folder / CHART).read_text(), CONFIG: yaml.safe_load(_config(folder))}
    content[CONFIG]["trainer"].pop("devices")
    for results in sorted(folder.glob("*/results.json")):
        record = json.loads(results.read_text())
        assert record["finished"]
        for method in record["methods"].values():
            for measured in ("seconds", "memory", "speed"):
                del method[measured]
        content[results.parent.name] = (record["methods"], (results.parent / "samples.jsonl").read_text())
    assert not list(output.rglob("work"))
    return content


def _config(folder: Path) -> str:
    return (folder / CONFIG).read_text()


def test_fewer_and_fewer_candidates_see_more_and_more_videos(alone: Path) -> None:
    content = left(alone)
    tried = {name: rung[0] for name, rung in content.items() if name.startswith("one_in")}
    assert list(tried) == ["one_in_1", "one_in_2", "one_in_4"]
    videos = {name: {method["videos_total"] for method in methods.values()} for name, methods in tried.items()}
    assert videos == {"one_in_1": {10}, "one_in_2": {5}, "one_in_4": {3}}
    assert set(tried["one_in_1"]) - {"base"} < set(tried["one_in_2"]) < set(tried["one_in_4"])
    base = tried["one_in_1"]["base"]["gflops"]
    costs = [method["gflops"] / base for method in tried["one_in_4"].values()]
    assert all(0.64 <= cost <= 0.8 for cost in costs), "counted as by formula"


def test_the_config_of_the_best_is_one_that_eval_takes(alone: Path) -> None:
    (folder,) = alone.iterdir()
    cli = EvalCLI(["--config", str(folder / CONFIG)])
    base, chosen = build_methods(cli.config.methods)
    assert base == "base"
    assert cli.init_args("data").share == 1
    assert chosen in json.loads((folder / "one_in_1" / "results.json").read_text())["methods"]
    assert "of 4 schedules, on the test split" in _config(folder) or "of 5 schedules, on the test split" in _config(
        folder
    )


@pytest.mark.parametrize(("stage", "units"), [("*/videos", 2), ("base/videos", 1)])
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(
    options: list[str], alone: Path, tmp_path: Path, stage: str, units: int
) -> None:
    argv = [*options, f"--output={tmp_path}"]
    death = [sys.executable, "-c", _DIES, str(tmp_path), stage, str(units), *argv]
    died = subprocess.run(death, env=environment(PYTHONPATH=str(PROJECT_DIR)), capture_output=True, cwd=PROJECT_DIR)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert run_here("vidtldr.search.command", argv) == 0
    assert left(tmp_path) == left(alone)


def test_two_processes_find_what_one_finds(options: list[str], alone: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vidtldr.search", *options, f"--output={tmp_path}", "--trainer.devices=2"]
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert left(tmp_path) == left(alone)
    assert done.stdout.count("The best within 0.8x:") == 1


def test_a_budget_in_milliseconds_is_measured_here(options: list[str], tmp_path: Path, capsys) -> None:
    # Far above base: what merging saves of a model this small is less than it takes.
    timed = [option for option in options if not option.startswith("--budget")]
    assert run_here("vidtldr.search.command", [*timed, "--budget-latency=50x", f"--output={tmp_path}"]) == 0
    assert "| ms |" in capsys.readouterr().out
    (folder,) = tmp_path.iterdir()
    assert "latency of the encoder (ms per clip)" in (folder / CHART).read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--rungs", "4", "2"], "fewer on each rung and 1 on the last"),
        (["--sweep=tome.r=1,2"], "--sweep is of eval.py"),
        (["--method=tomme"], "unknown method 'tomme'"),
        (["--option=sharpening"], "write KEY=VALUE"),
        (["--candidates=1"], "at least 2"),
        (["--nonsense=1"], "unknown option --nonsense"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(options: list[str], more: list[str], said: str, capsys) -> None:
    assert run_here("vidtldr.search.command", [*options, *more]) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("task", [name for name in TASKS if name != "retrieval"])
def test_every_task_can_be_searched(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = TASKS[task](tmp_path)
    search = ["--budget-gflops=0.9x", "--slack=0.4", "--candidates=2", "--rungs", "2", "1"]
    assert run_here("vidtldr.search.command", [*options, *search, f"--output={tmp_path / 'out'}"]) == 0
    assert "The best within 0.9x: vidtldr-r" in capsys.readouterr().out
    assert len(left(tmp_path / "out")) == 4  # chart, config, two rungs


def test_a_validation_split_chooses_where_there_is_one(options: list[str], tmp_path: Path, capsys) -> None:
    root = Path(next(option for option in options if option.startswith("--data.root=")).partition("=")[2])
    records = json.loads((root / "msvd_ret_test.json").read_text())[:4]
    (tmp_path / "val.json").write_text(json.dumps(records))
    more = [f"--data.val_annotation={tmp_path / 'val.json'}", "--rungs", "1", f"--output={tmp_path / 'out'}"]
    assert run_here("vidtldr.search.command", [*options, *more]) == 0
    assert "flatter" not in capsys.readouterr().out
    (folder,) = (tmp_path / "out").iterdir()
    assert "on the validation split" in _config(folder)
    (rung,) = [rung[0] for name, rung in left(tmp_path / "out").items() if name.startswith("one_in")]
    assert {method["videos_total"] for method in rung.values()} == {4}


def test_a_validation_of_one_half_of_the_classes_is_refused(tmp_path: Path, capsys) -> None:
    options = TASKS["base_to_novel"](tmp_path)
    annotation = next((tmp_path / "data").rglob("base_val.txt"))
    more = [*SEARCH, f"--data.val_annotation={annotation}", f"--output={tmp_path / 'out'}"]
    assert run_here("vidtldr.search.command", [*options, *more]) == 2
    assert "brings 1 of the 2 halves" in capsys.readouterr().err.strip().splitlines()[-1]
