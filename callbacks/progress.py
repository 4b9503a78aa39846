"""Progress of an evaluation: bars on a terminal, a plain line now and then elsewhere."""

import time
from typing import Any, Protocol, TextIO

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class ProgressCallback(Callback):
    """Shows what is being done, how far it is, how fast, and how long it will still take.

    A task announces its own long loops through :meth:`on_stage_start`, :meth:`on_stage_advance`, :meth:`on_stage_end`.

    Args:
        label: Put before every stage, such as the method's name.
        stages: Names of the test loaders' stages, in their order.
        stream: Where to write; None means standard error.
        every_seconds: Time between two lines where the stream is no terminal.
    """

    def __init__(
        self,
        label: str = "",
        stages: tuple[str, ...] = (),
        stream: TextIO | None = None,
        every_seconds: float = 10.0,
    ) -> None:
        super().__init__()
        self._prefix = f"{label} · " if label else ""
        self._stages = stages
        console = Console(file=stream, stderr=stream is None)
        self._display: _Display = _Bars(console) if console.is_terminal else _Lines(console, every_seconds)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the first stage before its first batch is there: decoding may take a while."""
        self._start_loader(trainer, 0)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the samples of a batch; go on to the next loader after the last."""
        self._display.advance(batch.items)
        if batch_idx + 1 == trainer.num_test_batches[dataloader_idx]:
            self._display.end()
            if dataloader_idx + 1 < len(trainer.num_test_batches):
                self._start_loader(trainer, dataloader_idx + 1)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the only stage of a prediction."""
        loaders: Any = trainer.predict_dataloaders
        self.on_stage_start(self._stages[0] if self._stages else "predict", _num_items(loaders))

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the samples of a batch."""
        self._display.advance(len(batch))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The stage is through."""
        self._display.end()

    def on_stage_start(self, name: str, total: int) -> None:
        """A loop of ``total`` steps begins."""
        self._display.start(self._prefix + name, total)

    def on_stage_advance(self, n: int = 1) -> None:
        """``n`` more steps are done."""
        self._display.advance(n)

    def on_stage_end(self) -> None:
        """The loop is through."""
        self._display.end()

    def close(self) -> None:
        """Give the terminal back; for loops outside a Trainer."""
        self._display.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self.close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the terminal back."""
        self.close()

    def _start_loader(self, trainer: Trainer, index: int) -> None:
        loaders: Any = trainer.test_dataloaders
        loader = loaders[index] if isinstance(loaders, (list, tuple)) else loaders
        name = self._stages[index] if index < len(self._stages) else f"loader {index}"
        self.on_stage_start(name, _num_items(loader))


def _num_items(loader: Any) -> int:
    """What a loader will bring, which is this process's share where its batches are listed."""
    batches = getattr(loader, "batches", getattr(loader, "batch_sampler", None))
    return sum(map(len, batches)) if isinstance(batches, list) else len(loader.dataset)


class _Display(Protocol):
    def start(self, name: str, total: int) -> None: ...

    def advance(self, n: int) -> None: ...

    def end(self) -> None: ...

    def close(self) -> None: ...


class _Bars:
    """One bar a stage, on a terminal; finished bars stay."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def start(self, name: str, total: int) -> None:
        self.end()
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                console=self._console,
            )
            self._progress.start()
        self._task = self._progress.add_task(name, total=total, rate="")

    def advance(self, n: int) -> None:
        if self._progress is None or self._task is None:
            return
        self._progress.advance(self._task, n)
        speed = self._progress.tasks[-1].speed
        self._progress.update(self._task, rate=f"{_rate(speed)}/s" if speed else "")

    def end(self) -> None:
        self._task = None

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None


class _Lines:
    """``base · encode videos: 120 of 670, 3.9/s, 2:21 left``, every few seconds and at the end of a stage."""

    def __init__(self, console: Console, every_seconds: float) -> None:
        self._file = console.file
        self._every_seconds = every_seconds
        self._name: str | None = None

    def start(self, name: str, total: int) -> None:
        self.end()
        self._name, self._total, self._done = name, total, 0
        self._began = self._said = time.monotonic()

    def advance(self, n: int) -> None:
        if self._name is None:
            return
        self._done += n
        if self._done < self._total and time.monotonic() - self._said >= self._every_seconds:
            self._say()

    def end(self) -> None:
        if self._name is not None:
            self._say()
        self._name = None

    def close(self) -> None:
        self._name = None

    def _say(self) -> None:
        self._said = time.monotonic()
        elapsed = max(self._said - self._began, 1e-9)
        rate = self._done / elapsed
        left = self._total - self._done
        when = f"{clock(left / rate)} left" if left and rate else f"took {clock(elapsed)}" if not left else "waiting"
        print(f"{self._name}: {self._done} of {self._total}, {_rate(rate)}/s, {when}", file=self._file, flush=True)


def _rate(per_second: float) -> str:
    return f"{per_second:.0f}" if per_second >= 100 else f"{per_second:.2g}"


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
