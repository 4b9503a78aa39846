"""A file before its format is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from datamodules.annotations.text_files import json_value, split_lines


@dataclass(frozen=True)
class Content:
    """An annotation as formats look at it; each view is made when it is first asked for.

    Attributes:
        path: The file.
        split: Which part is wanted of a file that holds several: ``train``, ``val`` or ``test``.
        folders: Where files that belong to it are looked for, its own folder first.
        class_files: Names under which a list of the class names is looked for there, beside ``classInd.txt``.
        num_classes: Classes of the whole data set, if they may be numbered by the alphabet.
    """

    path: Path
    split: str = "test"
    folders: Sequence[Path] = ()
    class_files: Sequence[str] = ()
    num_classes: int | None = None

    @cached_property
    def raw(self) -> bytes:
        """All bytes."""
        return self.path.read_bytes()

    @cached_property
    def text(self) -> str:
        """UTF-8 text without a byte order mark; raises UnicodeDecodeError."""
        return self.raw.decode("utf-8-sig")

    @cached_property
    def lines(self) -> list[str]:
        """Lines that are not blank; JSON has none."""
        return [] if self.is_json else [line for line in split_lines(self.text) if line.strip()]

    @property
    def is_json(self) -> bool:
        """Whether it begins as an object or a list does."""
        return self.text.lstrip()[:1] in ("[", "{")

    @cached_property
    def json(self) -> Any:
        """What JSON stands for; None where there is none.

        Raises:
            ValueError: It begins like JSON and is not valid.
        """
        if not self.is_json:
            return None
        try:
            return json_value(self.text)
        except ValueError as error:
            raise ValueError(f"{self.path} is not valid JSON: {error}") from error
