"""Single clips of a test set, as an evaluation would show them to the model."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from datamodules.clips.sampling import middle_frames
from datamodules.loading.batches import ClipBatch, ViewBatch
from datamodules.loading.sharding import Sharing
from vidtldr.drawing.maps import Frames
from vidtldr.errors import UserError, did_you_mean

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """What a model sees of a video.

    Attributes:
        name: Of the video.
        pixels: ``[t, c, h, w]``, uint8 RGB, in model size.
    """

    name: str
    pixels: Tensor

    @property
    def frames(self) -> Frames:
        """The same to draw on, ``[t, h, w, c]``."""
        frames: np.ndarray = self.pixels.permute(0, 2, 3, 1).numpy()
        return frames

    @property
    def folder_name(self) -> str:
        """The name without what a folder cannot be called."""
        return re.sub(r"[^\w.+-]+", "_", Path(self.name).with_suffix("").as_posix()).lstrip(".") or "clip"


@dataclass(frozen=True)
class TestSet:
    """Videos that an evaluation would show the model, as it would; of several views one, the centre of the first clip.

    Attributes:
        data: Data, set up for a test.
    """

    __test__ = False  # not a class of tests, whatever its name begins with

    data: Any

    @property
    def names(self) -> list[list[str]]:
        """Names of the videos of each loader that brings clips.

        Raises:
            UserError: The data do not tell them.
        """
        records: Any = getattr(self.data, "records", None)
        halves = list(records.values()) if isinstance(records, Mapping) else [records]
        named = [each.videos for each in halves if hasattr(each, "videos")]
        if not named:
            raise UserError(f"{type(self.data).__name__} has no `records` that name its videos: give --video FILE")
        return [list(videos) for videos in named]

    def __len__(self) -> int:
        return sum(map(len, self.names))

    def spread(self, count: int) -> list[Clip]:
        """So many clips, spread evenly over the set; unreadable ones are left out, and said to be."""
        places = [(loader, at) for loader, names in enumerate(self.names) for at in range(len(names))]
        chosen = dict.fromkeys(middle_frames(len(places), min(count, len(places))))
        return [clip for number in chosen if (clip := self._read(*places[number])) is not None]

    def named(self, name: str) -> Clip:
        """The clip of a video by its name, with or without the file's suffix.

        Raises:
            UserError: There is none, or it cannot be read.
        """
        places = [(known, loader, at) for loader, names in enumerate(self.names) for at, known in enumerate(names)]
        whole = [place for place in places if place[0] == name]  # a.b.mp4 does not stand for a.b where that is one
        for _, loader, at in whole or [place for place in places if Path(place[0]).stem == name]:
            if (clip := self._read(loader, at)) is not None:
                return clip
            raise UserError(f"--sample {name}: the video cannot be read")
        known_names = [known for known, *_ in places]
        hint = did_you_mean(name, known_names) or f", whose names are such as {known_names[0]}"
        raise UserError(f"--sample {name}: no such video in the test set{hint}")

    def all(self) -> Iterator[Clip]:
        """All clips, in order; unreadable ones are left out, and said to be."""
        for loader, names in zip(self.data.evaluation_loaders(Sharing()), self.names):
            for batch in loader:
                if not isinstance(batch, ClipBatch):
                    continue
                for _, reason in batch.left_out:
                    _log.warning("left out: %s", reason)
                for row, index in enumerate(batch.index.tolist()):
                    if not isinstance(batch, ViewBatch) or int(batch.view[row]) == self._view:
                        yield Clip(names[index], batch.clips[row])

    def _read(self, loader: int, at: int) -> Clip | None:
        item = self.data.evaluation_loaders(Sharing())[loader].dataset[at]
        if item.clip is None:
            _log.warning("left out: %s", item.broken)
            return None
        return Clip(self.names[loader][at], item.clip if item.clip.dim() == 4 else item.clip[self._view])

    @property
    def _view(self) -> int:
        return int(getattr(self.data, "num_crops", 1)) // 2
