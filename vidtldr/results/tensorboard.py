"""TensorBoard runs that survive Ctrl-C."""

import signal
import threading
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary

from vidtldr.results.beside_paper import Printed
from vidtldr.results.curves import Curve
from vidtldr.results.differences import Difference
from vidtldr.results.pictures import Album
from vidtldr.results.records import MethodResult
from vidtldr.results.report import describe_options
from vidtldr.results.score_tables import ScoreTable, group_of

REPORT_RUN = "all methods"


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

    What Lightning logs along the way is ignored: it would repeat the result.

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
        self.log_curves({f"paper/{name}": [(0, value)] for name, value in printed.scalars().items()})

    def log_curves(self, curves: Mapping[str, Curve]) -> None:
        """Write curves by their tags, each over its own axis."""
        with interrupts_wait():
            for tag, curve in curves.items():
                for step, value in curve:
                    self.experiment.add_scalar(tag, value, step)
            self.experiment.flush()

    def log_comparison(self, result: MethodResult, differences: Iterable[Difference], album: Album | None) -> None:
        """Write what is known when all methods are through, and close.

        Args:
            result: Of this method.
            differences: Of all methods.
            album: Pictures of all methods, if there are any.
        """
        for each in differences:
            if each.method == result.name:
                ends = {"low": each.low, "points": each.difference, "high": each.high}
                self.log_curves({f"difference_to_{each.baseline}/{end}": [(0, ends[end])] for end in ends})
        if album is not None:
            self.log_curves({"over_frames/share": list(enumerate(result.frame_shares or (), start=1))})
            for number, files in album.of_method(result.name):
                name = f"{number + 1:04} {album.chosen[number].video}"
                self._log_picture(f"clips/{name}", files.png)
                self._log_picture(f"moving_clips/{name}", files.gif)
        with interrupts_wait():
            self.experiment.close()

    def _log_picture(self, tag: str, file: Path) -> None:
        """Write a PNG or GIF as it is, so that a GIF plays; the writer itself would make a still PNG of it."""
        with Image.open(file) as picture:
            width, height = picture.size
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=file.read_bytes())
        with interrupts_wait():
            self.experiment._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), 0)

    def finalize(self, status: str) -> None:
        """Flush, but stay open: the result comes after Lightning is through."""
        with interrupts_wait():
            self.experiment.flush()


def write_report(parent: Path, markdown: str) -> None:
    """Write the report of a run as the text of a TensorBoard run of its own, whose name no method can have."""
    logger = RunLogger(save_dir=parent, name="", version=REPORT_RUN, default_hp_metric=False)
    logger.experiment.add_text("report", markdown, 0)
    logger.finalize("success")


def _scalars(result: MethodResult, tables: tuple[ScoreTable, ...]) -> dict[str, float]:
    scalars = {f"{group_of(key, tables)}/{key}": value for key, value in result.metrics.items()}
    scalars["cost/gflops"] = result.gflops
    scalars["cost/peak_memory_bytes"] = float(result.speed.peak_memory_bytes)
    scalars["cost/seconds"] = result.speed.seconds
    scalars["speed/encoder_clips_per_second"] = result.speed.encoder_clips_per_second or 0.0
    scalars["speed/end_to_end_clips_per_second"] = result.speed.end_to_end_clips_per_second or 0.0
    return scalars
