"""Folders of weights as the libraries of Hugging Face write them: the file, its parts, the config beside it.

The same rules serve a folder on disk and the list of files of a repository on the hub.
"""

import json
from collections.abc import Collection
from pathlib import Path, PurePath
from typing import Any

from vidtldr.errors import UserError
from vidtldr.models.checkpoint.sentences import first_few, one_line

CONFIGS = ("config.json", "open_clip_config.json")
INDEX_SUFFIX = ".index.json"

# Of open_clip, which stands first because timm may have put its image tower alone beside it, and of transformers.
_USUAL = (
    "open_clip_model.safetensors",
    "model.safetensors",
    f"model.safetensors{INDEX_SUFFIX}",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX_SUFFIX}",
)
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")


def choose_weights(names: Collection[str], folder: str) -> str:
    """The file that holds the weights of a folder: one with a usual name, or the only one that can.

    Args:
        names: Of all its files.
        folder: What it is called, for the message.

    Raises:
        UserError: There is none, or there are several and none has a usual name.
    """
    for usual in _USUAL:
        if usual in names:
            return usual
    possible = sorted(name for name in names if name.endswith(_SUFFIXES))
    if not possible:
        raise UserError(f"checkpoint '{folder}' is a folder without weights (no {', '.join(_USUAL[:3])})")
    if len(possible) > 1:
        raise UserError(
            f"checkpoint '{folder}' is a folder with {len(possible)} weight files: name one of them "
            f"({first_few(possible, 20)})"
        )
    return possible[0]


def weight_files(file: Path) -> tuple[Path, ...]:
    """The files that a file of weights stands for: itself, or the parts that an index names, sorted.

    Raises:
        UserError: An index cannot be read, or a part is not there.
    """
    if not file.name.endswith(INDEX_SUFFIX):
        return (file,)
    parts = tuple(file.parent / name for name in parts_of_index(file))
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise UserError(
            f"checkpoint '{file}' names {len(parts)} parts, of which {len(missing)} are not beside it "
            f"({first_few(missing)})"
        )
    return parts


def parts_of_index(index: Path) -> list[str]:
    """Names of the files that an index spreads its entries over, sorted.

    Raises:
        UserError: It is no index, or names a file that is not in its own folder.
    """
    content = _read_json(index)
    entries = content.get("weight_map")
    if not isinstance(entries, dict) or not entries:
        raise UserError(f"checkpoint '{index}' is no index of weights: it has no weight_map")
    parts = {name if isinstance(name, str) else str(name) for name in entries.values()}
    for name in parts:
        if PurePath(name).name != name or "\\" in name:
            raise UserError(f"checkpoint '{index}' names a part outside its own folder ({first_few([name])})")
    return sorted(parts)


def config_beside(file: Path) -> dict[str, Any]:
    """The config of the library that wrote a file of weights; empty where the file has no name that such a one gives.

    Raises:
        UserError: It is there and cannot be read.
    """
    config = file.parent / CONFIGS[file.name.startswith("open_clip")]
    return _read_json(config) if file.name in _USUAL and config.is_file() else {}


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"'{file}' cannot be read as JSON ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise UserError(f"'{file}' holds a {type(content).__name__} instead of a JSON object")
    return content
