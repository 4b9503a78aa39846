"""Make a generated data set: videos in several processes, continued after an interruption, made again when outdated.

Every file appears complete or not at all, the lists of a split come last, and a manifest says which version of the
generator made the videos.
"""

import fcntl
import json
import multiprocessing
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from rich.console import Console
from rich.progress import track

from datamodules.demo.pictures.scenes import FPS
from datamodules.demo.sets.output import write_frames, write_text

_VIDEOS_BEFORE_ESTIMATE = 16
_VIDEOS_WORTH_A_POOL = 600  # below, starting processes costs more than it saves
_SMALLEST_VIDEO_BYTES = 1024


@dataclass(frozen=True, kw_only=True)
class Split:
    """What one split consists of.

    Attributes:
        num_videos: Videos, unless the caller asks for another number.
        seed: Seed of the split; video ``i`` depends on it and on ``i`` alone.
        unseen: Whether backgrounds come from the part of the photographs that training never shows.
        most_videos: Videos for which there are file names; ``None`` for any number.
    """

    num_videos: int
    seed: int
    unseen: bool
    most_videos: int | None = None


class VideoSet(ABC):
    """A generated data set: its videos, where they lie, and what is written about them.

    It has no state, so that worker processes can be given it. All paths are relative to the root of the data set.
    """

    manifest: ClassVar[str]
    """File that says what made the videos; no two sets share it."""
    splits: ClassVar[Mapping[str, Split]]
    sheet_stride: ClassVar[int | None] = None
    """Frames from one picture of a contact sheet to the next; ``None`` spreads them over the video."""

    @abstractmethod
    def stamp(self, split: str, num_videos: int) -> dict[str, Any]:
        """What the manifest says of a split; ``videos`` is their number, all else tells one version from another."""

    @abstractmethod
    def video(self, split: str, index: int) -> str:
        """Path of a video."""

    @abstractmethod
    def pattern(self, split: str) -> str:
        """Glob pattern of all videos that the split may ever have, and of no other split's."""

    @abstractmethod
    def frames(self, split: str, index: int) -> np.ndarray:
        """Render a video, ``[t, h, w, 3]`` uint8."""

    @abstractmethod
    def cover(self, split: str, index: int) -> np.ndarray:
        """How much of each pixel of a video is object and not background, ``[t, h, w]`` float32 in 0..1."""

    @abstractmethod
    def texts(self, split: str, index: int) -> list[str]:
        """What is said of a video, to be read on a contact sheet."""

    @abstractmethod
    def lists(self, split: str, num_videos: int) -> dict[str, str]:
        """Paths and contents of the annotation files of one split."""

    def tables(self) -> dict[str, str]:
        """Paths and contents of files that all splits need."""
        return {}

    def write(self, path: Path, split: str, index: int) -> None:
        """Write a video into the file ``path``."""
        write_frames(path, self.frames(split, index), FPS)


def ensure(
    videos: VideoSet,
    root: Path | str,
    splits: Sequence[str] = ("test",),
    *,
    num_videos: Mapping[str, int] | None = None,
    processes: int | None = None,
) -> None:
    """Make sure that a generated set lies complete under ``root``; generate what is missing.

    Several processes may call it at once: one generates, the others wait.

    Args:
        videos: The set.
        root: Folder of the data set, made if it does not exist.
        splits: Names out of ``videos.splits``.
        num_videos: Number of videos per split where it shall differ from the set's; a larger set begins with the
            videos of a smaller one.
        processes: Worker processes. ``None`` takes one for a small job and one per core for a large one. The files do
            not depend on it.

    Raises:
        ValueError: A split is unknown, a number is too small or too large, or ``root`` cannot be written.
        FileNotFoundError: A background photograph is missing from the installed packages.
    """
    root = Path(root)
    counts = _checked_counts(videos, splits, num_videos or {})
    if processes is not None and processes < 1:
        raise ValueError(f"the demo data need at least 1 process, not {processes}")
    for name, count in counts.items():
        if is_complete(videos, root, name, count):
            continue
        try:
            with _alone_in(root):
                if not is_complete(videos, root, name, count):  # another process may just have made it
                    _generate_split(videos, root, name, count, processes)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and error.errno is None:  # a photograph, with its own sentence
                raise
            reason = error.strerror or str(error)
            raise ValueError(
                f"cannot write the demo data into {root}: {reason}; name a folder you may write"
            ) from error


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_complete(videos: VideoSet, root: Path, split: str, num_videos: int) -> bool:
    """Tell whether a split lies under ``root`` with that many videos, all made by this version of the generator."""
    if _read_manifest(root / videos.manifest).get(split) != videos.stamp(split, num_videos):
        return False
    written = (*videos.tables(), *videos.lists(split, 0))
    return all((root / name).is_file() for name in written) and not _missing(videos, root, split, num_videos)


def made_splits(videos: VideoSet, root: Path) -> dict[str, int]:
    """Number of videos of each split that this version of the generator has begun or made under ``root``."""
    manifest = _read_manifest(root / videos.manifest)
    stamps = {split: stamp for split in videos.splits if isinstance(stamp := manifest.get(split), dict)}
    counts = {split: count for split, stamp in stamps.items() if isinstance(count := stamp.get("videos"), int)}
    return {split: count for split, count in counts.items() if stamps[split] == videos.stamp(split, count)}


def _checked_counts(videos: VideoSet, splits: Sequence[str], num_videos: Mapping[str, int]) -> dict[str, int]:
    """Number of videos of each split that is asked for."""
    counts = {}
    for name in splits:
        if name not in videos.splits:
            raise ValueError(f"unknown demo split {name!r}; the splits are {', '.join(videos.splits)}")
        count, most = num_videos.get(name, videos.splits[name].num_videos), videos.splits[name].most_videos
        if count < 1:
            raise ValueError(f"the demo split {name!r} needs at least 1 video, not {count}")
        if most is not None and count > most:
            raise ValueError(f"the demo split {name!r} has at most {most} videos, not {count}")
        counts[name] = count
    return counts


def _generate_split(videos: VideoSet, root: Path, split: str, num_videos: int, processes: int | None) -> None:
    """Write the videos of a split that are missing, then its lists."""
    manifest = _read_manifest(root / videos.manifest)
    stamp, found = videos.stamp(split, num_videos), manifest.get(split)
    for name in videos.lists(split, 0):
        (root / name).unlink(missing_ok=True)
    made_otherwise = not isinstance(found, dict) or {**found, "videos": num_videos} != stamp
    if made_otherwise:
        for stale in root.glob(videos.pattern(split)):  # of another version, or of unknown origin
            stale.unlink()
    write_text(root / videos.manifest, json.dumps({**manifest, split: stamp}, indent=1) + "\n")
    todo = _missing(videos, root, split, num_videos)
    for folder in {(root / videos.video(split, index)).parent for index in todo}:
        folder.mkdir(parents=True, exist_ok=True)
    for _ in _report(_write_all(videos, root, split, todo, processes), split, root, len(todo)):
        pass
    for name, content in {**videos.tables(), **videos.lists(split, num_videos)}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(root / name, content)


def _write_all(videos: VideoSet, root: Path, split: str, indices: list[int], processes: int | None) -> Iterator[int]:
    """Write videos, in several processes if that pays; yield each index when its file is there."""
    workers = min(_num_workers(processes, len(indices)), len(indices))
    if workers <= 1:
        yield from (_write_one(videos, root, split, index) for index in indices)
        return
    # "spawn": a fork of a process in which torch has started its threads may hang.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_write_one, *zip(*((videos, root, split, i) for i in indices), strict=True), chunksize=16)


def _write_one(videos: VideoSet, root: Path, split: str, index: int) -> int:
    videos.write(root / videos.video(split, index), split, index)
    return index


def _num_workers(processes: int | None, num_videos: int) -> int:
    if processes is not None:
        return processes
    return 1 if num_videos < _VIDEOS_WORTH_A_POOL else os.cpu_count() or 1


def _report(done: Iterable[int], split: str, root: Path, total: int) -> Iterator[int]:
    """Pass ``done`` on and show its progress on stderr: a bar on a terminal, else one line with an estimate."""
    text = f"generating {total} demo videos ({split}) into {root}"
    if sys.stderr.isatty():
        yield from track(done, description=text, total=total, console=Console(stderr=True))
        return
    started = time.monotonic()
    for count, index in enumerate(done, start=1):
        if count == min(_VIDEOS_BEFORE_ESTIMATE, total):
            seconds = (time.monotonic() - started) / count * (total - count)
            print(f"{text}, about {seconds:.0f} s …", file=sys.stderr, flush=True)
        yield index


def _missing(videos: VideoSet, root: Path, split: str, num_videos: int) -> list[int]:
    """Indices of the videos that are not there, or too small to be a video."""
    return [index for index in range(num_videos) if not _is_video(root / videos.video(split, index))]


def _is_video(path: Path) -> bool:
    try:
        return path.stat().st_size >= _SMALLEST_VIDEO_BYTES
    except FileNotFoundError:
        return False


def _read_manifest(path: Path) -> dict[str, object]:
    """Read a manifest; an absent or broken one says nothing about any split."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
