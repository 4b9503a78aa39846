"""The processes of an evaluation: Lightning starts them, or torchrun or SLURM did."""

import os
import signal
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TypeVar

import torch
from lightning import Trainer
from lightning.pytorch.strategies import DDPStrategy

from vidtldr.errors import UserError

# Processes wait for each other at the end of a pass only. One that dies is noticed at once, however long this is.
_PATIENCE = timedelta(days=7)
_ONE = ("1", "auto")
_T = TypeVar("_T")
_SHELLS = ("bash", "interactive")  # a shell within an allocation: what it starts stands alone


def started_by_launcher(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Processes of a node and nodes, where torchrun or SLURM's ``srun`` started this process; else None."""
    if "TORCHELASTIC_RUN_ID" in environment:
        return int(environment["LOCAL_WORLD_SIZE"]), int(environment["GROUP_WORLD_SIZE"])
    tasks, nodes = int(environment.get("SLURM_NTASKS", 1)), int(environment.get("SLURM_NNODES", 1))
    if tasks > 1 and "SLURM_PROCID" in environment and environment.get("SLURM_JOB_NAME") not in _SHELLS:
        return tasks // nodes, nodes
    return None


def strategy_for(devices: int | str | Sequence[int], num_nodes: int) -> str | DDPStrategy:
    """One device alone, or distributed data parallel.

    Args:
        devices: The Trainer's option.
        num_nodes: Likewise.
    """
    single = len(devices) == 1 if isinstance(devices, (list, tuple)) else str(devices) in _ONE
    return "auto" if single and num_nodes == 1 else DDPStrategy(timeout=_PATIENCE)


class Processes:
    """All processes of a run, as one of them sees them; a context in which they work together.

    Args:
        trainer: Its options tell how many there are. They are started here where nobody else did.

    Raises:
        UserError: What the trainer's options say is not what was started.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._strategy = trainer.strategy
        self._launcher = trainer.strategy.launcher
        try:
            if self._launcher is None:
                self._strategy.setup_environment()
            else:
                self._launcher.launch(self._strategy.setup_environment)
        except (RuntimeError, ValueError) as error:
            raise UserError(f"the processes do not come together: {str(error).splitlines()[0]}") from error
        self.rank, self.world_size = trainer.global_rank, trainer.world_size

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End together: after an error, the processes that were started here are ended too."""
        if error is not None and self._launcher is not None and hasattr(self._launcher, "kill"):
            self._launcher.kill(signal.SIGTERM)
        if self.world_size > 1 and isinstance(error, RuntimeError) and "onnection" in str(error):
            raise UserError("another process has ended; what it said stands above") from error

    @property
    def is_first(self) -> bool:
        """Whether this one writes and prints what there is once."""
        return self.rank == 0

    def agree(self, value: _T) -> _T:
        """The first process's value, on all of them."""
        return self._strategy.broadcast(value)

    def gather(self, value: _T) -> list[_T]:
        """Every process's value, by rank, on all of them."""
        if self.world_size == 1:
            return [value]
        values = [value] * self.world_size
        torch.distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Go on when all have come here."""
        self._strategy.barrier()
