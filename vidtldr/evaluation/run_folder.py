"""The folder of a run: a new one, or that of the same command when it was killed."""

import datetime
import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

from vidtldr.errors import UserError
from vidtldr.results.records import MethodResult
from vidtldr.storage.atomic_files import write_atomically
from vidtldr.storage.batch_store import BatchStore

_log = logging.getLogger(__name__)

_WORK = "work"  # there as long as a run is not through
_CAUSE, _LOCK = ".run.json", ".lock"  # beside the folders of the methods, none of which begins with a dot
_RESULT = "result.json"
# What changes how fast a run is, or where it writes, and not what comes out.
_WITHOUT_EFFECT = {
    "": ("output", "fresh", "config", "paper", "baseline", "pictures"),
    "trainer": ("devices", "num_nodes", "strategy", "default_root_dir", "enable_progress_bar"),
    "data": ("num_workers", "decode_timeout", "kept_clips_gb"),
}

Fingerprint = Mapping[str, str]
"""What decides the numbers of a run: the name of a cause and a digest of it."""


def fingerprint(config: Mapping[str, Any], **causes: object) -> dict[str, str]:
    """Digests of a config, less what has no effect on the numbers, and of other causes.

    Args:
        config: As plain values, everything filled in.
        causes: Whatever else decides the numbers; equal causes must have equal representations.
    """
    effective = {key: value for key, value in config.items() if key not in _WITHOUT_EFFECT[""]}
    for part in ("trainer", "data"):
        effective[part] = _without(effective.get(part) or {}, _WITHOUT_EFFECT[part])
    return {"config": _digest(json.dumps(effective, sort_keys=True))} | {
        name: _digest(repr(cause)) for name, cause in causes.items()
    }


class Run:
    """The folder of a run and the work that is kept in it until the run is through.

    Args:
        folder: Where results go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / _WORK
        self._lock: IO[str] | None = None

    @classmethod
    def open(cls, parent: Path, cause: Fingerprint, *, fresh: bool = False) -> "Run":
        """Go on with the newest unfinished run of the same cause, or begin one.

        Args:
            parent: Folder of the runs.
            cause: What decides the numbers.
            fresh: Begin anew and drop what an unfinished run of this cause has done.

        Raises:
            UserError: The folder cannot be written.
        """
        for path in sorted(parent.glob(f"*/{_WORK}/{_CAUSE}"), reverse=True):
            run = cls(path.parent.parent)
            differing = [name for name, digest in cause.items() if run._cause().get(name) != digest]
            if differing:
                _log.warning(
                    "%s is unfinished, but of another %s: it is not gone on with", run.folder, " and ".join(differing)
                )
            elif run._take():
                if not fresh:
                    _log.warning("going on with %s; --fresh would begin anew", run.folder)
                    return run
                run.close()
        return cls._begin(parent, cause)

    def see(self) -> None:
        """Check that this process sees the folder that another one made.

        Raises:
            UserError: It does not.
        """
        if not (self.work / _CAUSE).exists():
            raise UserError(
                f"{self.folder} is not seen by all nodes: give an --output on a file system that they share"
            )

    def store(self, method: str) -> BatchStore:
        """What has come out for a method."""
        return BatchStore(self.work / method)

    def finished(self, method: str) -> MethodResult | None:
        """The result of a method that an earlier run has finished."""
        path = self.work / method / _RESULT
        return MethodResult.from_dict(method, json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def finish(self, result: MethodResult) -> None:
        """Keep the result of a method; its outputs are no longer needed."""
        folder = self.work / result.name
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / _RESULT, json.dumps(result.to_dict()))
        for outputs in folder.iterdir():
            if outputs.is_dir():
                shutil.rmtree(outputs)

    def close(self) -> None:
        """Drop the work: the run is through, or not wanted."""
        (self.work / _CAUSE).unlink(missing_ok=True)  # first: without it, what is left is no run to go on with
        shutil.rmtree(self.work, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    def _take(self) -> bool:
        """Whether nobody else is at work in this folder; nobody will be until this process ends."""
        lock = (self.work / _LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._lock = lock
        return True

    def _cause(self) -> dict[str, str]:
        try:
            cause: dict[str, str] = json.loads((self.work / _CAUSE).read_text(encoding="utf-8"))
            return cause
        except (OSError, ValueError):
            return {}

    @classmethod
    def _begin(cls, parent: Path, cause: Fingerprint) -> "Run":
        try:
            run = cls(parent / datetime.datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S"))
            try:
                run.folder.mkdir(parents=True)
            except FileExistsError:  # another process began in the same second
                run = cls(run.folder.with_name(f"{run.folder.name}_{os.getpid()}"))
            run.work.mkdir(parents=True)
        except OSError as error:
            raise UserError(f"cannot write to {parent}: {error.strerror or error}; give another --output") from error
        run._take()
        write_atomically(run.work / _CAUSE, json.dumps(dict(cause)))
        return run


def _without(options: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """Options less some keys, also within ``init_args``."""
    kept = {key: value for key, value in options.items() if key not in keys}
    return kept | ({"init_args": _without(kept["init_args"], keys)} if kept.get("init_args") else {})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
