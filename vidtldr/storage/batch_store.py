"""What an evaluation has worked out so far, on disk: one file for each unit of work.

A unit is a batch as one process alone would form it, or a few videos of re-ranking. Processes share units and not
single samples, so every number comes from the same batch however many processes there are; what they exchange are these
files. A unit's file appears whole or not at all, so an evaluation that was killed goes on behind the last one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vidtldr.errors import UserError
from vidtldr.storage.atomic_files import write_atomically

_SUFFIX = ".safetensors"
_NOTES = "notes"


@dataclass(frozen=True)
class Unit:
    """The outcome of one unit.

    Attributes:
        path: Its file.
    """

    path: Path

    @property
    def number(self) -> int:
        """Which unit of its stage it is."""
        return int(self.path.stem)

    @cached_property
    def notes(self) -> dict[str, Any]:
        """What was noted beside the tensors."""
        return json.loads(self._file.metadata()[_NOTES])

    def __contains__(self, name: str) -> bool:
        return name in self._file.keys()  # noqa: SIM118  # no mapping

    def __getitem__(self, name: str) -> Tensor:
        """A tensor, mapped from the file: what is never looked at is never read."""
        return self._file.get_tensor(name)

    @cached_property
    def _file(self) -> Any:
        try:
            return safe_open(self.path, "pt")
        except (SafetensorError, OSError) as error:
            raise UserError(f"{self.path} cannot be read back ({error}): run again with --fresh") from error


class WorkStore:
    """Units of one evaluation, in a folder of their own.

    Args:
        folder: Where they lie; made with the first one. Every process must see it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, stage: str, number: int, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Keep a unit; a second one of that number takes the place of the first.

        Args:
            stage: What was done, a name for a folder.
            number: Which unit of the stage, from 0.
            tensors: What came out, of any shape and dtype.
            notes: What JSON can hold.

        Raises:
            UserError: It cannot be written, because the disk is full, say.
        """
        content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        path = self.folder / stage / f"{number:09}{_SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(content, {_NOTES: json.dumps(dict(notes))}), durable=False)

    def units(self, stage: str) -> list[Unit]:
        """Units that are there, by number."""
        return [Unit(path) for path in sorted((self.folder / stage).glob(f"*{_SUFFIX}"))]


def joined(units: list[Unit], name: str) -> Tensor | None:
    """A tensor of all units that have it, one after the other; None if none has."""
    parts = [unit[name] for unit in units if name in unit]
    return torch.cat(parts) if parts else None
