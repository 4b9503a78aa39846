"""TensorBoard runs that survive Ctrl-C."""

import signal
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger

from vidtldr.results.beside_paper import Printed
from vidtldr.results.records import MethodResult
from vidtldr.results.report import describe_options
from vidtldr.results.score_tables import ScoreTable, group_of


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


class MethodLogger(RunLogger):
    """A TensorBoard run of one method, beside those of the others under one parent.

    Scalars are written by :meth:`log_result` alone: what Lightning logs along the way would repeat them.

    Args:
        parent: Folder of all methods' runs.
        name: The method's name, and its run's.
        score_tables: Headings of the scores.
    """

    def __init__(self, parent: Path, name: str, score_tables: tuple[ScoreTable, ...]) -> None:
        super().__init__(save_dir=parent, name="", version=name, default_hp_metric=False)
        self._score_tables = score_tables
        self._result_only = True

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Ignore what Lightning logs."""
        if not self._result_only:
            super().log_metrics(dict(metrics), step)

    def log_result(self, result: MethodResult, option_keys: Sequence[str]) -> None:
        """Write scalars and hyperparameters; both have the same keys in every run that is given the same option keys.

        Args:
            result: What to write.
            option_keys: Options of all compared methods.
        """
        options = {key: describe_options({key: value}).partition("=")[2] for key, value in result.options.items()}
        params = {"method": result.name, **{key: options.get(key, "") for key in option_keys}}
        self._result_only = False
        self.log_hyperparams(params, _scalars(result, self._score_tables), step=0)
        self._result_only = True
        self.experiment.flush()

    def log_paper(self, printed: Printed) -> None:
        """Write what the paper prints of this method, beside the scalars of the result."""
        for name, value in printed.scalars().items():
            self.experiment.add_scalar(f"paper/{name}", value, 0)
        self.experiment.flush()

    def finalize(self, status: str) -> None:
        """Flush, but stay open: the result comes after Lightning is through."""
        with interrupts_wait():
            self.experiment.flush()

    def log_report(self, markdown: str) -> None:
        """Write the table of the whole run as text, and close."""
        self.experiment.add_text("report", markdown, 0)
        self.experiment.close()


def _scalars(result: MethodResult, tables: tuple[ScoreTable, ...]) -> dict[str, float]:
    scalars = {f"{group_of(key, tables)}/{key}": value for key, value in result.metrics.items()}
    scalars["cost/gflops"] = result.gflops
    scalars["cost/peak_memory_bytes"] = float(result.speed.peak_memory_bytes)
    scalars["cost/seconds"] = result.speed.seconds
    scalars["speed/encoder_clips_per_second"] = result.speed.encoder_clips_per_second or 0.0
    scalars["speed/end_to_end_clips_per_second"] = result.speed.end_to_end_clips_per_second or 0.0
    return scalars
