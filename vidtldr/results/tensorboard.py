"""TensorBoard runs that survive Ctrl-C."""

import signal
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let Ctrl-C take effect only when the block is through; keep it short."""
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield  # only Python's own handlers, in the main thread, interrupt Python code
        return
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


class RunLogger(TensorBoardLogger):
    """A TensorBoard run whose writer is never interrupted half-way.

    The writer hands records to its thread through a ``queue.Queue``. Ctrl-C between that queue's taking a lock and
    its entering the block that gives it back leaves it locked, and Lightning, which flushes all loggers when it is
    interrupted and ignores further signals meanwhile, would wait for ever.
    """

    @property
    def experiment(self) -> Any:
        """The writer, made when it is first asked for."""
        with interrupts_wait():
            return super().experiment

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write scalars."""
        with interrupts_wait():
            super().log_metrics(metrics, step)

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, metrics: dict[str, Any] | None = None, step: int | None = None
    ) -> None:
        """Write hyperparameters and what came of them."""
        with interrupts_wait():
            super().log_hyperparams(params, metrics, step)

    def save(self) -> None:
        """Flush, and write hyperparameters as YAML."""
        with interrupts_wait():
            super().save()

    def finalize(self, status: str) -> None:
        """Flush and close."""
        with interrupts_wait():
            super().finalize(status)
