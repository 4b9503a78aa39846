"""A process that loads batches for a guarded loader, and what it says to the main process.

Each worker has a pipe of its own::

    main  --(draws, broken)------->  worker     a batch to load; None is the end
    main  <--("at", video)---------  worker     before each video: a dead worker's last word names the culprit
    main  <--("loaded", None)------  worker     what fails from here on is no video's fault
    main  <--("batch", batch)------  worker     or ("error", exception)

A hang is made a crash: before each video a worker asks the kernel to end it by SIGALRM when the time is up, which works
in native code that no exception can reach.
"""

import pickle
import random
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import format_exc
from typing import Any, Protocol

import numpy as np
import torch
from torch import multiprocessing

from datamodules.loading.order import Draw, seeded

Collate = Callable[[list[Any]], Any]


class GuardedDataset(Protocol):
    """What a guarded loader asks of its dataset."""

    @property
    def paths(self) -> Sequence[Path]:
        """File of each video, for the message."""

    def __getitem__(self, position: int) -> Any: ...

    def broken_item(self, position: int, reason: str) -> Any:
        """What stands for a video that is not to be opened."""


class LoadingWorker:
    """A process that loads batches, seen from the main process.

    Attributes:
        jobs: Numbers of the batches it was given and has not delivered, in order.
        video: Position of the one it began last, None before the first of a batch.
    """

    def __init__(self, dataset: GuardedDataset, collate: Collate, timeout: float, seed: int):
        self.connection, other_end = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=_work, args=(other_end, self.connection, dataset, collate, timeout, seed), daemon=True
        )
        self.process.start()
        other_end.close()  # the worker's death is the end of the pipe only if nobody else holds it
        self.jobs: deque[int] = deque()
        self.video: int | None = None

    def give(self, number: int, draws: Sequence[Draw], broken: Mapping[int, str]) -> None:
        """Have a batch loaded."""
        self.jobs.append(number)
        with suppress(OSError):  # it is dead, which the next reading will tell
            self.connection.send((draws, broken))

    def dismiss(self) -> None:
        """End it: by a word if it is idle, else by force, since it shares nothing that this could harm."""
        if self.jobs:
            self.process.kill()
        with suppress(OSError):
            self.connection.send(None)


def _work(
    connection: Connection, other_end: Connection, dataset: GuardedDataset, collate: Collate, timeout: float, seed: int
) -> None:
    """The life of a worker."""
    other_end.close()
    _settle(seed)

    @contextmanager
    def watched(video: int) -> Iterator[None]:
        connection.send(("at", video))
        signal.setitimer(signal.ITIMER_REAL, timeout)  # 0 sets none
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    with suppress(EOFError, OSError):  # the main process is gone
        while (job := connection.recv()) is not None:
            draws, broken = job
            try:
                message = "batch", load_batch(dataset, collate, draws, broken, watched)
            except Exception as error:
                message = "error", _sendable(error)
            connection.send(("loaded", None))
            _send(connection, message)


def _send(connection: Connection, message: tuple[str, Any]) -> None:
    try:
        connection.send(message)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # nothing was written: the batch cannot be pickled, or shared memory is full
        connection.send(("error", _sendable(error)))


def _settle(seed: int) -> None:
    """What the main process does on signals is not for its workers, and each has its own random numbers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process gets it too
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    torch.set_num_threads(1)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def load_batch(
    dataset: GuardedDataset,
    collate: Collate,
    draws: Sequence[Draw],
    broken: Mapping[int, str],
    watched: Callable[[int], AbstractContextManager[Any]],
) -> Any:
    """A batch of a dataset, ``watched`` while each video that is not known to be broken is loaded."""
    items = []
    for draw in draws:
        if draw.video in broken:
            with seeded(draw.seed):
                items.append(dataset.broken_item(draw.video, broken[draw.video]))
        else:
            with watched(draw.video), seeded(draw.seed):
                items.append(dataset[draw.video])
    return collate(items)


def _sendable(error: Exception) -> Exception:
    """The error with its trace as a note, or one that says the same if it cannot be sent."""
    trace = "in a worker:\n" + format_exc()
    sendable: Exception
    try:
        sendable = pickle.loads(pickle.dumps(error))
    except Exception:
        sendable = RuntimeError(f"{type(error).__name__}: {error}")
    sendable.add_note(trace)  # kept by pickling, as all attributes of an exception are
    return sendable
