"""What a loader brings: clips, views, clips with questions, texts."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

_BLOCKING = ("cpu", "mps")  # devices to which Lightning too copies tensors one after the other


@dataclass(kw_only=True, eq=False)
class Batch:
    """What every batch knows of itself.

    It is not frozen, because for a precision such as ``bf16-true`` Lightning copies a batch and sets the copy's fields.

    Attributes:
        index: Position of each row's video or text in the data set, ``[b]``, int64.
        first: Position of the batch's first item in the data set, -1 for an empty batch.
        items: Videos or texts that the batch stands for, broken videos included.
    """

    index: Tensor
    first: int
    items: int

    @property
    def left_out(self) -> list[tuple[int, str]]:
        """Position and reason of each video that could not be read; texts are always read."""
        return []

    def to(self, device: torch.device | str) -> Self:
        """The same on a device; Lightning calls it."""
        device = torch.device(device)
        non_blocking = device.type not in _BLOCKING
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The same in page-locked memory."""
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Self:
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        changed: dict[str, Any] = {name: change(value) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **changed)


@dataclass(kw_only=True, eq=False)
class ClipBatch(Batch):
    """Clips of the videos that could be read.

    Attributes:
        clips: ``[b, t, c, h, w]``, uint8.
        broken: Position and reason of each video that could not be read.
        texts: A caption of each clip, if the videos have captions.
        label: Class of each clip, ``[b]``, int64, if the videos have classes.
    """

    clips: Tensor
    broken: list[tuple[int, str]]
    texts: list[str] | None = None
    label: Tensor | None = None

    @property
    def left_out(self) -> list[tuple[int, str]]:
        """Position and reason of each video that could not be read."""
        return self.broken


@dataclass(kw_only=True, eq=False)
class ViewBatch(ClipBatch):
    """All views of some videos, one after the other; ``index`` repeats a video's position for each of its views.

    Attributes:
        view: Number of each view among those of its video, ``[b]``, int64.
        label: Class of each view's video, ``[b]``, int64.
    """

    view: Tensor
    label: Tensor = field()  # a view always has its class: without the default of a clip


@dataclass(kw_only=True, eq=False)
class QuestionBatch(ClipBatch):
    """Clips with the questions about each.

    Attributes:
        questions: Cleaned questions about each clip.
        answers: The true answer to each of them.
        question_ids: The number of each of them.
    """

    questions: list[list[str]]
    answers: list[list[str]]
    question_ids: list[list[int | str]]


@dataclass(kw_only=True, eq=False)
class TextBatch(Batch):
    """Text queries.

    Attributes:
        texts: Cleaned texts.
        videos: Gallery positions of each text's videos.
    """

    texts: list[str]
    videos: list[list[int]]
