"""However many processes share an evaluation, what comes out is the same to the last digit."""

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.helpers.tasks import TASKS, command, environment, outcome, run
from vidtldr.evaluation.processes import started_by_launcher

pytestmark = pytest.mark.slow
HEADING = "| method |"


# The first one also stands for the others where not what a task computes is at stake, but how processes are started.
every_task = pytest.mark.parametrize("alone", TASKS, indirect=True)
one_task = pytest.mark.parametrize("alone", ["retrieval"], indirect=True)


@pytest.fixture(scope="module")
def alone(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], dict, bytes, int]:
    """Options of a task, what one process makes of them, and how many tables it prints."""
    folder = tmp_path_factory.mktemp(request.param)
    options = TASKS[request.param](folder)
    done = run(command(options, folder / "alone"))
    assert done.returncode == 0, done.stderr
    return options, *outcome(folder / "alone"), done.stdout.count(HEADING)


@every_task
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_give_the_results_of_one(alone, processes, tmp_path):
    options, results, samples, tables = alone
    done = run(command(options, tmp_path, f"--trainer.devices={processes}"))
    assert done.returncode == 0, done.stderr
    together, together_samples = outcome(tmp_path)
    assert together == results
    assert together_samples == samples
    assert done.stdout.count(HEADING) == tables


@one_task
def test_two_nodes_of_torchrun_give_the_results_of_one_process(alone, tmp_path):
    options, results, samples, tables = alone
    port = free_port()
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1"]
    launch += ["--master_addr=127.0.0.1", f"--master_port={port}"]
    script = command(options, tmp_path)[1:]
    nodes = [start([*launch, f"--node_rank={rank}", *script], environment()) for rank in range(2)]
    assert together(nodes) == [tables, 0]
    assert outcome(tmp_path) == (results, samples)


@one_task
def test_two_tasks_of_slurm_give_the_results_of_one_process(alone, tmp_path):
    options, results, samples, tables = alone
    slurm = {"SLURM_NTASKS": "2", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "eval", "SLURM_JOB_ID": "1"}
    slurm |= {
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_LOCALID": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    script = command(options, tmp_path)
    tasks = [start(script, environment(**slurm, SLURM_PROCID=str(rank), SLURM_NODEID=str(rank))) for rank in range(2)]
    assert together(tasks) == [tables, 0]
    assert outcome(tmp_path) == (results, samples)


@one_task
@pytest.mark.parametrize("processes", [2, 3])
def test_an_error_in_one_process_ends_all_with_its_cause(alone, processes, tmp_path):
    options, *_ = alone
    done = run(command(options, tmp_path, "--strict", f"--trainer.devices={processes}"), timeout=120)
    assert done.returncode != 0
    assert "cannot be read as a video" in done.stderr


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(argv: list[str], variables: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)


def together(processes: list[subprocess.Popen]) -> list[int]:
    """Wait for all; how many tables each has printed."""
    with ThreadPoolExecutor() as readers:
        said = list(readers.map(lambda process: process.communicate(timeout=300), processes))
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return [printed.count(HEADING) for printed, _ in said]


@every_task
def test_each_sample_is_there_once_for_each_method(alone):
    _, results, samples, _ = alone
    rows = [json.loads(line) for line in samples.decode().splitlines()]
    keys = ("method", "query", "half", "seed", "video", "id")
    seen = [tuple(str(row.get(key)) for key in keys) for row in rows]
    assert len(set(seen)) == len(seen)
    assert {row["method"] for row in rows} == set(results)


def test_processes_and_nodes_are_taken_from_the_launcher() -> None:
    assert started_by_launcher({}) is None
    torchrun = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2"}
    assert started_by_launcher(torchrun) == (4, 2)
    slurm = {"SLURM_NTASKS": "16", "SLURM_NNODES": "2", "SLURM_PROCID": "3", "SLURM_JOB_NAME": "eval"}
    assert started_by_launcher(slurm) == (8, 2)
    assert started_by_launcher(slurm | {"SLURM_JOB_NAME": "bash"}) is None
