"""Decoded clips on disk, so that only the first pass over the videos decodes."""

import logging
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)


class ClipCache:
    """A memory-mapped array of clips, shared by all worker processes and filled as videos come along.

    It lives as long as the run that made it: a cache that outlived a change of transform would be wrong in silence.

    Args:
        folder: Where the two files of the cache are written; must exist.
        positions: Videos that have a place in it, by their position in the data set.
        clip_shape: Shape of what is kept of each video, uint8.

    Raises:
        OSError: There is no room for it. It takes all its room at once, since running out later would end the process.
    """

    def __init__(self, folder: Path, positions: Sequence[int], clip_shape: Sequence[int]) -> None:
        self._folder, self._shape = folder, (len(positions), *clip_shape)
        self._place = {position: place for place, position in enumerate(positions)}
        for name, size, _ in self._files():
            _take_room(folder / name, size)
        self._map()

    def __getstate__(self) -> dict[str, Any]:
        """For a worker that is not a fork: it maps the files itself."""
        return {"_folder": self._folder, "_shape": self._shape, "_place": self._place}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()

    @property
    def num_kept(self) -> int:
        """Clips that are there."""
        return int(self._filled.sum())

    def get(self, position: int, read: Callable[[], Tensor]) -> Tensor:
        """The kept clip of a video, or the one that ``read`` returns, which is kept if it has a place.

        Errors of ``read`` pass through and leave the place empty.
        """
        place = self._place.get(position)
        if place is None:
            return read()
        if not self._filled[place]:
            self._clips[place] = read()
            self._filled[place] = True  # only now: a worker that dies before leaves the place empty
        return self._clips[place]

    def _files(self) -> tuple[tuple[str, int, torch.dtype], ...]:
        """Name, number of elements and their type."""
        return ("clips", math.prod(self._shape), torch.uint8), ("filled", self._shape[0], torch.bool)

    def _map(self) -> None:
        clips, self._filled = (
            torch.from_file(str(self._folder / name), shared=True, size=size, dtype=dtype)
            for name, size, dtype in self._files()
        )
        self._clips = clips.view(self._shape)


class KeptClips:
    """Caches for several passes over the same data sets, in a temporary folder and with a limit to their size.

    Args:
        max_bytes: Limit of all caches together; videos beyond it are decoded in each pass.
    """

    def __init__(self, max_bytes: float) -> None:
        self._left = max_bytes
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # removed with this object
        self._caches: dict[int, tuple[object, ClipCache | None]] = {}

    def of(
        self, loader: int, paths: Sequence[Path], positions: Sequence[int], clip_shape: Sequence[int]
    ) -> ClipCache | None:
        """The cache of a loader: the same for every pass over the same videos; None if it has no room at all.

        Args:
            loader: Which loader of the test.
            paths: Files of its data set.
            positions: Those that this process reads.
            clip_shape: Shape of what is kept of each, uint8.
        """
        content = (list(paths), tuple(clip_shape))
        known, cache = self._caches.get(loader, (None, None))
        if known != content:
            cache = self._new(loader, positions, clip_shape)
            self._caches[loader] = (content, cache)
        return cache

    @property
    def num_kept(self) -> int:
        """Clips that need no decoding any more."""
        return sum(cache.num_kept for _, cache in self._caches.values() if cache is not None)

    def _new(self, loader: int, positions: Sequence[int], clip_shape: Sequence[int]) -> ClipCache | None:
        size = math.prod(clip_shape)
        fitting = list(positions)[: int(self._left // size)]
        if not fitting:
            return None
        try:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="vidtldr-clips-")
            folder = Path(self._folder.name) / str(loader)
            folder.mkdir(exist_ok=True)
            cache = ClipCache(folder, fitting, clip_shape)
        except OSError as error:
            need = f"{len(fitting) * size / 2**30:.1f} GiB"
            logger.warning("no room to keep decoded clips (%s in %s: %s): every method decodes", need, folder, error)
            return None
        self._left -= len(fitting) * size
        return cache


def _take_room(path: Path, size: int) -> None:
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # macOS
            file.truncate(size)
