"""A checkpoint by whatever name: a file, a folder, an index of several files, a model of the hub."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, Union

from vidtldr.errors import UserError
from vidtldr.models.checkpoint.containers import Choice, StateDict, open_containers, strip_prefixes
from vidtldr.models.checkpoint.folder import choose_weights, config_beside, weight_files
from vidtldr.models.checkpoint.reading import read_content, read_metadata
from vidtldr.models.checkpoint.sentences import first_few
from vidtldr.models.hub_name import parse_hub_name

_NO_NAME = re.compile(r"LABEL_\d+")  # what transformers calls a class that has no name


@dataclass(frozen=True)
class Checkpoint:
    """Weights that lie on this machine, and what is known of them.

    As a text it is its name, as a path (``os.PathLike``) its only file.

    Attributes:
        name: What the user calls it.
        files: Where the tensors lie.
        choice: Which of them are meant, where a file has two sets.
        num_frames: Frames of a clip that its position table was made for; None if it does not tell.
        image_size: Height and width of these frames in pixels; None if it does not tell.
        config: ``config.json`` of the library that wrote it, or nothing.
    """

    name: str
    files: tuple[Path, ...]
    choice: Choice = "plain"
    num_frames: int | None = None
    image_size: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def __fspath__(self) -> str:
        if len(self.files) > 1:
            raise UserError(f"checkpoint '{self}' lies in {len(self.files)} files, where one is needed")
        return str(self.files[0])

    def read(self) -> StateDict:
        """The tensors by their names, of which wrappers and containers are taken off; no code of a file is run.

        Raises:
            UserError: A file is cut short, no checkpoint, or holds objects other than tensors and options.
        """
        state: StateDict = {}
        for file in self.files:
            part = open_containers(read_content(file), self.choice, str(file))
            twice = [key for key in part if key in state]
            if twice:
                raise UserError(f"checkpoint '{self}' holds entries in two of its files ({first_few(twice)})")
            state |= part
        return strip_prefixes(state)

    def sha256(self) -> str:
        """SHA-256 of the file, in hexadecimal; of several, that of what ``sha256sum`` prints of them, sorted by name.

        So ``sha256sum FILE`` checks it, or ``sha256sum model-*.safetensors | sha256sum`` in their folder.
        """
        digests = [_file_sha256(file) for file in self.files]
        if len(digests) == 1:
            return digests[0]
        lines = "".join(f"{digest}  {file.name}\n" for digest, file in zip(digests, self.files))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def class_names(self) -> list[str] | None:
        """Names of the classes of its head, in their order; None if it does not tell."""
        labels = self.config.get("id2label")
        if not isinstance(labels, Mapping) or not labels:
            return None
        try:
            names = {int(number): str(label) for number, label in labels.items()}
        except ValueError:
            return None
        named = sorted(names) == list(range(len(names))) and not all(map(_NO_NAME.fullmatch, names.values()))
        return [names[number] for number in sorted(names)] if named else None


Source: TypeAlias = Union[str, Path, Checkpoint]  # noqa: UP007  # read at run time
"""A checkpoint, or what it is called."""


def find_checkpoint(
    name: Source, weights: Choice = "plain", *, num_frames: int | None = None, image_size: int | None = None
) -> Checkpoint:
    """Find weights by what people call them.

    Args:
        name: A file; a folder of Hugging Face; an index of several files (``*.index.json``); a model of the hub
            (``org/name``, ``org/name@revision``, ``org/name:file``), which is downloaded. A checkpoint is returned.
        weights: ``ema`` takes the averaged weights of a file that has them beside the plain ones.
        num_frames: Frames of a clip in its training; None asks the checkpoint.
        image_size: Height and width of a frame in its training; None asks the checkpoint.

    Raises:
        UserError: There is no such file, folder or model, or it cannot be had.
    """
    if isinstance(name, Checkpoint):
        return name
    path = Path(name).expanduser()
    if path.is_dir():
        path = path / choose_weights([file.name for file in path.iterdir() if file.is_file()], str(name))
    elif not path.is_file():
        hub_name = parse_hub_name(str(name))
        if hub_name is None:
            raise UserError(f"checkpoint '{name}' does not exist")
        from vidtldr.models.checkpoint.hub import fetch

        path = fetch(hub_name)
    files = weight_files(path)
    config = config_beside(path)
    told = config | (read_metadata(files[0]) if len(files) == 1 else {})
    return Checkpoint(
        str(name),
        files,
        weights,
        num_frames or _positive(told.get("num_frames")),
        image_size or _positive(told.get("image_size")),
        config,
    )


def read_state_dict(source: Source) -> StateDict:
    """The tensors of a checkpoint without wrappers, such as Lightning's ``model.``; see :meth:`Checkpoint.read`."""
    return find_checkpoint(source).read()


def _file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _positive(value: object) -> int | None:
    """A number of a config or, as a text, of safetensors; None for anything else."""
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):  # the last of an infinite one, which JSON may hold
        return None
    return number if number > 0 else None
