"""What is answered before torch and Lightning are imported, which takes seconds: help and files that do not exist."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from vidtldr.cli.argv import WHOLE_HELP_OPTION, configs_named
from vidtldr.cli.inheritance import merge, read_config
from vidtldr.cli.paths import find_config, resolve_path
from vidtldr.errors import UserError
from vidtldr.models.hub_name import parse_hub_name

_OWN_DATA, _GENERATED_DATA, _OWN_MODELS = "datamodules.", "Demo", "vidtldr.tasks."
"""Beginnings of class paths and names: what other classes mean by ``root`` and ``checkpoint`` is not known here."""

_ONLY_SHOWN = ("--print_config", "--model.help", "--data.help", WHOLE_HELP_OPTION)
"""Options with which no file is read."""


def refuse_missing_files(argv: Sequence[str]) -> None:
    """Refuse configs, checkpoints and data roots that do not exist.

    Only what is certain is refused; the classes look for everything else themselves.

    Raises:
        UserError: A file or folder does not exist, or a config cannot be read.
    """
    if any(word.partition("=")[0] in _ONLY_SHOWN for word in argv):
        return
    config: dict[str, Any] = {}
    for name in configs_named(argv):
        config = merge(config, read_config(find_config(name)))
    data_class, root = _class_and_option(config, argv, "data", "root")
    read = _is_named(data_class, _OWN_DATA) and not data_class.rpartition(".")[2].startswith(_GENERATED_DATA)
    if read and isinstance(root, str) and not Path(resolve_path(root)).expanduser().is_dir():
        raise UserError(f"root={root}: no such folder")
    model_class, checkpoints = _class_and_option(config, argv, "model", "checkpoint")
    if _is_named(model_class, _OWN_MODELS):
        for checkpoint in checkpoints if isinstance(checkpoints, list) else [checkpoints]:
            if not isinstance(checkpoint, str) or parse_hub_name(checkpoint) or checkpoint.startswith("open_clip:"):
                continue
            if not Path(resolve_path(checkpoint)).expanduser().exists():
                raise UserError(f"checkpoint '{checkpoint}' does not exist")


def _class_and_option(config: dict[str, Any], argv: Sequence[str], part: str, option: str) -> tuple[Any, Any]:
    """The class of ``model`` or ``data`` and one of its options, as the config and the arguments give them."""
    given = config.get(part)
    given = given if isinstance(given, dict) else {"class_path": given}
    init_args = given.get("init_args")
    value = init_args.get(option) if isinstance(init_args, dict) else None
    class_path = _last_value(argv, f"--{part}", f"--{part}.class_path") or given.get("class_path")
    written = _last_value(argv, f"--{part}.{option}", f"--{part}.init_args.{option}")
    return class_path, value if written is None else _parsed(written)


def _last_value(argv: Sequence[str], *options: str) -> str | None:
    found = None
    for word, following in zip(argv, [*argv[1:], None]):
        option, equals, value = word.partition("=")
        if option in options:
            found = value if equals else following
    return found


def _parsed(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None  # for the parser to refuse


def _is_named(class_path: Any, beginning: str) -> bool:
    return isinstance(class_path, str) and class_path.startswith(beginning)
