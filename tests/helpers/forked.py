"""``train.py`` in processes of one thread each, without the seconds that each would spend on imports."""

import multiprocessing
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.threads import use_one_thread
from vidtldr.cli.entry import run

_COMMAND = "vidtldr.cli.train"
_PRELOADED = [
    "tests.helpers.forked",
    "torch.utils.tensorboard",
    _COMMAND,
    "vidtldr.tasks.recognition",
    "vidtldr.tasks.retrieval.task",
    "datamodules",
]
_PATIENCE = 300.0  # seconds

# A server that has imported all of it and done nothing else: what it forks is as good as a new interpreter.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(_PRELOADED)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, the negative signal after a kill, and what it said."""

    returncode: int | None
    stderr: str


def train(arguments: list[str], folder: Path, processes: int = 1) -> list[Ended]:
    """Run ``train.py`` with these arguments.

    Args:
        arguments: Those after the script's name.
        folder: Where what the processes say is kept.
        processes: How many train together, as Lightning's own launcher starts them for ``--trainer.devices``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    said = [folder / f"stderr{rank}.txt" for rank in range(processes)]
    port, started = _free_port(), []
    for rank, path in enumerate(said):
        environment: dict[str, str] = {}
        if processes > 1:
            environment = {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": str(processes)}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        started.append(_context.Process(target=_train, args=(arguments, environment, path)))
        started[-1].start()
    try:
        for process in started:
            process.join(_PATIENCE)
    finally:
        for process in started:
            process.kill()
            process.join()
    return [Ended(process.exitcode, path.read_text()) for process, path in zip(started, said, strict=True)]


def _train(arguments: list[str], environment: dict[str, str], stderr: Path) -> None:
    use_one_thread()
    os.environ.update(environment)
    with stderr.open("w") as file:
        os.dup2(file.fileno(), 2)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    sys.argv = ["train.py", *arguments]
    sys.exit(run(_COMMAND, arguments))


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]
