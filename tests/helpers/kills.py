"""Evaluations that are killed at a chosen point."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.tasks import command
from tests.helpers.threads import use_one_thread
from vidtldr.cli.entry import run as run_here


def in_a_process(argv: list[str], log: Path | None = None, death: "Death | None" = None) -> multiprocessing.Process:
    """The command in a process that need not import everything first; what it says goes to a log."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vidtldr.cli.evaluate", "vidtldr.tasks.retrieval.task"])
    process = context.Process(target=_quietly, args=(argv, log or Path(os.devnull), death))
    process.start()
    return process


def _quietly(argv: list[str], log: Path, death: "Death | None") -> None:
    use_one_thread()
    with log.open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    if death is not None:
        sys.addaudithook(death.watch(os.getpid()))
    raise SystemExit(run_here("vidtldr.cli.evaluate", argv))


@dataclass(frozen=True)
class Death:
    """When a process is killed: counted in what it writes, so that a busy machine kills it at the same point.

    A file is written under another name, which opens it, and then renamed: both are where a kill may come.

    Attributes:
        output: Where it writes.
        stage: Whose units count, such as ``tome/videos``; ``*/*`` is any.
        units: How many are to be complete.
        later: How many files it may open or rename after those.
    """

    output: Path
    stage: str
    units: int
    later: int = 0

    def watch(self, process: int) -> Callable[[str, tuple[object, ...]], None]:
        """A hook that kills the process; its workers, which inherit the hook, live."""
        complete, later = 0, 0

        def hook(event: str, args: tuple[object, ...]) -> None:
            nonlocal complete, later
            writes = event == "os.rename" or (event == "open" and args[1] not in (None, "r", "rb"))
            if not writes or os.getpid() != process or not str(args[0]).startswith(str(self.output)):
                return
            if complete >= self.units:
                if later == self.later:
                    os.kill(process, signal.SIGKILL)
                later += 1
            if event == "os.rename":
                complete += Path(str(args[1])).match(f"work/{self.stage}/*.safetensors")

        return hook


def kill_at_first(options: list[str], output: Path, stage: str) -> None:
    """Run until a stage has its first unit, and no further."""
    process = in_a_process(command(options, output)[2:], death=Death(output, stage, units=1))
    process.join()
    assert process.exitcode == -signal.SIGKILL
