"""What came out of each batch of an evaluation, on disk: one file a batch.

A batch is one as a single process would form it. Processes share whole batches, so every number comes from the same
batch however many processes there are; what they exchange are these files. A file appears whole or not at all, so an
evaluation that was killed goes on behind the last one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vidtldr.errors import UserError
from vidtldr.storage.atomic_files import write_atomically

_SUFFIX = ".safetensors"
_NOTES = "notes"


@dataclass(frozen=True)
class BatchOutput:
    """What came out of one batch.

    Attributes:
        path: Its file.
    """

    path: Path

    @property
    def number(self) -> int:
        """Which batch of its pass it is: the position of its first item."""
        return int(self.path.stem)

    @property
    def items(self) -> int:
        """How many things the batch held, broken ones included."""
        return self.notes["items"]

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


class BatchStore:
    """Outputs of one evaluation, in a folder of their own.

    Args:
        folder: Where they lie; made with the first one. Every process must see it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, pass_name: str, number: int, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Keep an output; a second one of that number takes the place of the first.

        Args:
            pass_name: Which pass it belongs to, a name for a folder.
            number: Position of its first item.
            tensors: What came out, of any shape and dtype.
            notes: What JSON can hold.

        Raises:
            UserError: It cannot be written, because the disk is full, say.
        """
        content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        path = self.folder / pass_name / f"{number:09}{_SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(content, {_NOTES: json.dumps(dict(notes))}), durable=False)

    def outputs(self, pass_name: str) -> list[BatchOutput]:
        """Outputs that are there, by number."""
        return [BatchOutput(path) for path in sorted((self.folder / pass_name).glob(f"*{_SUFFIX}"))]
