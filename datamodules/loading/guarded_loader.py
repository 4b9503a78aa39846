"""A loader that outlives its workers: a decoder that hangs or crashes costs one video and not the run.

torch's ``DataLoader`` ends with its first lost worker, at any line of the main process, and its workers share queues
that a dying one can leave locked. Here each worker has a pipe of its own and nothing else in common with the others.
"""

import pickle
import signal
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from multiprocessing.connection import wait
from typing import Any

import torch
from torch import Tensor

from datamodules.loading.batches import Batch
from datamodules.loading.order import Draw
from datamodules.loading.worker import Collate, GuardedDataset, LoadingWorker, load_batch

ATTEMPTS = 2
"""How often a video may end its worker: once may be a lack of memory or a stopped machine, twice is the video."""

PREFETCH = 2
"""Batches that each worker has ahead, as in torch's DataLoader."""

_END = object()
_FAREWELL_SECONDS = 2.0  # for workers to notice that they are done


class GuardedLoader:
    """Batches of a map-style dataset, in order, whatever happens to the workers that load them.

    A worker that dies over a video is replaced, and its unfinished batches are loaded again; at its second such failure
    a video is entered in ``broken`` with the reason. An exception that the dataset raises is raised here.

    Args:
        dataset: Videos to load.
        batches: Videos of each batch, as positions or as draws with a seed each; read anew, batch by batch, at each
            iteration, so that a sampler may shuffle.
        num_workers: Processes that load; with 0 the main process does, and nothing is guarded.
        collate_fn: From the items of a batch to the batch; runs in the workers.
        timeout: Seconds that one video may take to load; 0 is for ever.
        pin_memory: Copy the tensors of each batch to page-locked memory.
        broken: Videos known to be broken beforehand.
        keep_workers: Let an iteration that came to its end leave its workers to the next one, until :meth:`stop`. They
            know the dataset as it was when they were started.

    Attributes:
        broken: Position and reason of each video given up, kept for the next iteration.
        waited_seconds: How long those who iterate have waited for batches.
    """

    def __init__(
        self,
        dataset: GuardedDataset,
        batches: Iterable[Sequence[int | Draw]],
        *,
        num_workers: int,
        collate_fn: Collate,
        timeout: float,
        pin_memory: bool = False,
        broken: Mapping[int, str] | None = None,
        keep_workers: bool = False,
    ):
        self.dataset, self.batches = dataset, batches
        self.num_workers, self.collate_fn = num_workers, collate_fn
        self.timeout, self.pin_memory = timeout, pin_memory
        self.broken = dict(broken or {})
        self.keep_workers = keep_workers
        self._kept: _Pool | None = None
        self.waited_seconds = 0.0

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # a sampler may have no length, nor has its loader then

    @property
    def batch_sampler(self) -> Iterable[Sequence[int | Draw]]:
        """The batches under the name by which Lightning looks for a sampler, which it tells the epoch."""
        return self.batches

    def __iter__(self) -> Iterator[Any]:
        batches = self._batches()
        with closing(batches):
            while True:
                began = time.perf_counter()
                batch = next(batches, _END)
                self.waited_seconds += time.perf_counter() - began
                if batch is _END:
                    return
                yield batch

    def _batches(self) -> Generator[Any, None, None]:
        if not self.num_workers:
            for draws in self._draws():
                yield self._finished(load_batch(self.dataset, self.collate_fn, draws, self.broken, nullcontext))
            return
        pool, self._kept = self._kept or self._new_pool(), None
        try:
            for batch in pool.run(self._draws()):
                yield self._finished(batch)
        finally:
            if self.keep_workers and pool.idle and self._kept is None:
                self._kept = pool
            else:
                pool.stop()

    def stop(self) -> None:
        """End the workers that were kept."""
        pool, self._kept = self._kept, None
        if pool is not None:
            pool.stop()

    def _new_pool(self) -> "_Pool":
        return _Pool(self.dataset, self.collate_fn, self.timeout, self.broken, num_workers=self.num_workers)

    def _draws(self) -> Iterator[list[Draw]]:
        for batch in self.batches:
            yield [element if isinstance(element, Draw) else Draw(int(element)) for element in batch]

    def _finished(self, batch: Any) -> Any:
        return _pinned(batch) if self.pin_memory else batch


class _Pool:
    """The workers of a loader; batch ``n`` goes to worker ``n % num_workers``, as in torch's DataLoader.

    Args:
        dataset: As of the loader.
        collate: As of the loader.
        timeout: As of the loader.
        broken: The loader's own, to which videos are added.
        num_workers: Processes to start.
    """

    # It does not hold the loader, which holds it: without a cycle, workers end as soon as a loader is dropped.
    def __init__(
        self, dataset: GuardedDataset, collate: Collate, timeout: float, broken: dict[int, str], *, num_workers: int
    ):
        self.dataset, self.collate, self.timeout, self.broken = dataset, collate, timeout, broken
        self.remaining: Iterator[tuple[int, list[Draw]]] = iter(())
        self.draws: dict[int, list[Draw]] = {}  # of each batch that was given to a worker and not handed out
        self.loaded: dict[int, tuple[Any, Exception | None]] = {}
        self.failures: dict[tuple[str, int], int] = {}  # (kind, video or number of batch) -> workers lost over it
        self.num_started = 0
        self.seed = int(torch.empty((), dtype=torch.int64).random_().item())
        self.workers = [self._start() for _ in range(num_workers)]

    @property
    def idle(self) -> bool:
        """Whether all that was asked for was handed out."""
        return not self.draws

    def run(self, batches: Iterable[list[Draw]]) -> Iterator[Any]:
        """Load these batches; at an idle pool only."""
        self.remaining, self.failures = enumerate(batches), {}
        for _ in range(PREFETCH * len(self.workers)):
            self._give_next()
        while self.draws:
            number = min(self.draws)
            while number not in self.loaded:
                self._receive()
            del self.draws[number]
            batch, error = self.loaded.pop(number)
            if error is not None:
                raise error
            self._give_next()
            yield batch

    def stop(self) -> None:
        """End all workers, whatever they are at."""
        for worker in self.workers:
            worker.dismiss()
        for worker in self.workers:
            worker.process.join(_FAREWELL_SECONDS)
            worker.process.kill()
            worker.process.join()
            worker.connection.close()

    def _start(self) -> LoadingWorker:
        self.num_started += 1
        seed = self.seed + self.num_started - 1
        return LoadingWorker(self.dataset, self.collate, self.timeout, seed)

    def _give_next(self) -> None:
        number, draws = next(self.remaining, (None, None))
        if number is not None and draws is not None:
            self.draws[number] = draws
            self._give(self.workers[number % len(self.workers)], number)

    def _give(self, worker: LoadingWorker, number: int) -> None:
        draws = self.draws[number]
        known = {draw.video: self.broken[draw.video] for draw in draws if draw.video in self.broken}
        worker.give(number, draws, known)

    def _receive(self) -> None:
        """Wait for word from any worker that has work, and for the end of any."""
        at_work = {worker.connection: worker for worker in self.workers if worker.jobs}
        for connection in wait(list(at_work)):
            worker = at_work[connection]  # type: ignore[index]  # wait() gives back what it was given
            try:
                message = worker.connection.recv_bytes()
            except (EOFError, OSError):
                self._replace(worker)
            else:
                self._understand(worker, message)

    def _understand(self, worker: LoadingWorker, message: bytes) -> None:
        try:
            kind, content = pickle.loads(message)  # from our own worker; opens the shared memory of its tensors
        except Exception:
            worker.process.join(_FAREWELL_SECONDS)
            if worker.process.is_alive():
                raise
            return  # it died before its batch was fetched: what it has not delivered is loaded again
        worker.video = content if kind == "at" else None
        if kind == "batch":
            self.loaded[worker.jobs.popleft()] = content, None
        elif kind == "error":
            self.loaded[worker.jobs.popleft()] = None, content

    def _replace(self, dead: LoadingWorker) -> None:
        dead.process.join()
        dead.connection.close()
        self._count_failure(dead)
        place = self.workers.index(dead)
        self.workers[place] = self._start()
        for number in dead.jobs:
            self._give(self.workers[place], number)

    def _count_failure(self, dead: LoadingWorker) -> None:
        ending = _ending(dead.process.exitcode, self.timeout)
        culprit = ("batch", dead.jobs[0]) if dead.video is None else ("video", dead.video)
        self.failures[culprit] = self.failures.get(culprit, 0) + 1
        if self.failures[culprit] < ATTEMPTS:
            return
        if dead.video is None:
            raise RuntimeError(
                f"{ATTEMPTS} workers were lost outside of any video ({ending}): if not for what is printed above, then "
                "for too little shared memory (/dev/shm); num_workers=0 does without workers"
            )
        self.broken[dead.video] = f"{self.dataset.paths[dead.video]}: {ending}"


def _ending(exitcode: int | None, timeout: float) -> str:
    if exitcode is None or exitcode >= 0:
        return f"the decoder ended its process (exit code {exitcode})"
    if exitcode == -signal.SIGALRM:
        return f"decoding did not end within {timeout:g} s"
    reason = ", perhaps for lack of memory" if exitcode == -signal.SIGKILL else ""
    return f"the decoder crashed ({signal.strsignal(-exitcode)}{reason})"


def _pinned(value: Any) -> Any:
    """The same in page-locked memory; lists, tuples and dicts are entered."""
    if isinstance(value, (Tensor, Batch)):
        return value.pin_memory()
    if isinstance(value, dict):
        return {key: _pinned(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_pinned, value))
    return value
