"""Configs that build on others: ``inherit: [shared/umt_b.yaml, shared/msvd.yaml]``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vidtldr.cli.paths import find_config
from vidtldr.errors import UserError, on_one_line

INHERIT = "inherit"


def read_config(path: Path, _children: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a config together with what it inherits.

    Later parents win over earlier ones and the config itself over all; mappings are merged key by key, anything else is
    replaced. Parents are looked for beside the config, then among the shipped ones.

    Raises:
        UserError: A file is no YAML mapping, a parent does not exist, or configs inherit from each other in a circle.
    """
    children = (*_children, path.resolve())
    content = _read(path)
    merged: dict[str, Any] = {}
    for name in _parent_names(path, content.pop(INHERIT, [])):
        parent = path.parent / name if (path.parent / name).is_file() else find_config(name)
        if parent.resolve() in children:
            raise UserError(f"{path}: inherits from {name}, which inherits from it")
        merged = merge(merged, read_config(parent, children))
    return merge(merged, content)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one nested mapping over another.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: this is no YAML ({on_one_line(error)})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__} instead of options")
    return content


def _parent_names(path: Path, value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: inherit must name one config or a list of them, not {value!r}")
    return names
