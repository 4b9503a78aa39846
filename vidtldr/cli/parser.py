"""What ``eval.py`` and ``train.py`` share: finding configs, the order of arguments, errors in one sentence."""

import argparse
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from vidtldr.cli.argv import CONFIG_OPTIONS, configs_first, configs_named, is_config_option
from vidtldr.cli.entry import user_errors
from vidtldr.cli.inheritance import read_config
from vidtldr.cli.messages import quiet_lightning
from vidtldr.cli.paths import config_names, find_config, resolve_path
from vidtldr.cli.sentences import import_class, one_sentence
from vidtldr.errors import UserError
from vidtldr.storage.atomic_files import write_atomically

_PATHS = {"model": ("checkpoint", "tokenizer", "token_embedding"), "data": ("root",)}
_CLIP_SHAPE = ("num_frames", "image_size")


class ConfigByName(ActionConfigFile):
    """``--config``, which also finds shipped configs by their bare name and reads what they inherit."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Look the config up, then let jsonargparse read it; what it finds wrong is said with the file's name."""
        path = find_config(values)
        content = read_config(path)
        legal = list(dict.fromkeys(action.dest.split(".")[0] for action in parser._actions))
        if unknown := [key for key in content if key not in legal]:  # jsonargparse would leave it out without a word
            raise UserError(f"{path}: unknown key '{unknown[0]}'; there are {', '.join(sorted(legal))}")
        with tempfile.TemporaryDirectory(prefix="vidtldr-") as folder:
            whole = Path(folder) / path.name
            whole.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
            try:
                super().__call__(parser, cfg, str(whole), option_string)
            except argparse.ArgumentError as error:
                sentence = one_sentence(str(error), _options(parser)).replace(str(whole), str(path))
                raise UserError(f"{path}: {sentence}") from error


class ProjectCLI(LightningCLI):
    """LightningCLI that only parses: what is built, and in which order, is up to the command.

    Args:
        argv: Arguments without the program's name.
        description: Shown by ``--help``.
        prog: Name of the script.
        trainer_defaults: Trainer options whose default differs from Lightning's.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        description: str,
        prog: str,
        trainer_defaults: dict[str, Any] | None = None,
    ) -> None:
        quiet_lightning()
        configs = configs_named(argv)
        self.config_name = Path(configs[-1]).stem if configs else "run"
        try:
            super().__init__(
                LightningModule,
                LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                save_config_callback=None,
                seed_everything_default=0,
                parser_kwargs={
                    "description": description,
                    "usage": f"{prog} --config NAME [--OPTION VALUE ...]",
                    "exit_on_error": False,
                },
                trainer_defaults=trainer_defaults,
                auto_configure_optimizers=False,
                args=configs_first(argv),
                run=False,
            )
        except argparse.ArgumentError as error:
            raise UserError(self._sentence(str(error), argv)) from error
        for part, keys in _PATHS.items():
            _resolve_paths(self.init_args(part), keys)
        self._share_clip_shape()

    def add_own_arguments(self, parser: LightningArgumentParser) -> None:
        """Add the command's own options; they come first in ``--help``."""

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Put the command's own options before those of Lightning."""
        self.add_own_arguments(parser)
        super().add_default_arguments_to_parser(parser)

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """A parser whose ``--config`` finds shipped configs."""
        parser = self.parser_class(dump_header=[], **kwargs)
        parser.add_argument(
            *CONFIG_OPTIONS,
            action=ConfigByName,
            help="A config file, or the name of a shipped one: "
            f"{', '.join(config_names())}. Several overlay each other; options given beside them win over all.",
        )
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse (LightningCLI's own version warns about arguments that do not come from ``sys.argv``)."""
        self.config = parser.parse_args(args)

    def instantiate_classes(self) -> None:
        """Build nothing yet."""

    def init_args(self, part: str) -> Namespace:
        """Arguments of ``model`` or ``data``, empty where the class has none; changes to them count."""
        return self.config[part].get("init_args", Namespace())

    def build(self, part: str) -> Any:
        """Instantiate ``model`` or ``data`` alone; raises what their constructors raise."""
        try:
            return self._instantiate(part)
        except ValueError as error:
            original = _behind_jsonargparse(error)
            raise original from original.__cause__

    def build_data(self, stage: str) -> LightningDataModule:
        """Instantiate the data and find all files of a stage, ``test`` or ``fit``; comes before the model.

        Raises:
            UserError: What the user gave cannot be read.
        """
        with user_errors(ValueError, OSError):
            datamodule = self.build("data")
            datamodule.prepare_data()
            datamodule.setup(stage)
        return datamodule

    def build_model(self) -> LightningModule:
        """Instantiate the model with its weights.

        Raises:
            UserError: An option or the checkpoint does not fit.
        """
        with user_errors(ValueError):
            return self.build("model")

    def new_trainer(self, callbacks: Sequence[Callback] = (), **overrides: Any) -> Trainer:
        """A Trainer with the config's options, save for those that the command decides.

        Args:
            callbacks: Put before those of the config, whose time is then not taken for the model's.
            overrides: Options that are not the config's to decide.

        Raises:
            UserError: Lightning refuses an option, such as a GPU where there is none.
        """
        options = dict(self._instantiate("trainer")) | overrides
        options["callbacks"] = [*callbacks, *(options["callbacks"] or [])]
        try:
            return Trainer(**options)
        except (MisconfigurationException, ValueError, RuntimeError, ImportError) as error:
            asked = f"trainer.accelerator={options['accelerator']}, trainer.devices={options['devices']}"
            raise UserError(f"cannot run with {asked}: {str(error).split('. ')[0].strip(' .!')}") from error

    def resolved_config(self) -> dict[str, Any]:
        """The config as plain values, everything filled in."""
        config = self.config.clone()
        config.pop("config", None)
        return yaml.safe_load(self.parser.dump(config, format="yaml"))

    def save_config(self, folder: Path) -> None:
        """Write the config into a folder, such that ``--config FOLDER/config.yaml`` repeats the run.

        Raises:
            UserError: It cannot be written.
        """
        with user_errors(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "config.yaml", yaml.safe_dump(self.resolved_config(), sort_keys=False))

    def _instantiate(self, key: str) -> Any:
        # jsonargparse 4.49 renamed the method and warns about the old name.
        instantiate = getattr(self.parser, "instantiate", None) or self.parser.instantiate_classes
        return instantiate(Namespace({key: self.config[key]}))[key]

    def _sentence(self, message: str, argv: Sequence[str]) -> str:
        if "are required" in message and not any(is_config_option(word) for word in argv):
            return f"no config given: add --config NAME, where NAME is a file or one of {', '.join(config_names())}"
        return one_sentence(message, _options(self.parser))

    def _share_clip_shape(self) -> None:
        """Give the data the model's frame count and size where the config does not set them there.

        Raises:
            UserError: Both are set and differ: the model could not read the clips.
        """
        model, data = self.init_args("model"), self.init_args("data")
        for key in _CLIP_SHAPE:
            if key not in model or key not in data or model[key] == data[key]:
                continue
            if data[key] != self._default_of_data(key):
                raise UserError(
                    f"model.{key} is {model[key]} but data.{key} is {data[key]}: set the model's, the data follow"
                )
            data[key] = model[key]

    def _default_of_data(self, key: str) -> Any:
        parser = ArgumentParser()
        parser.add_class_arguments(import_class(self.config.data.class_path), "data", fail_untyped=False)
        return parser.get_defaults().data.get(key)


def _behind_jsonargparse(error: BaseException) -> BaseException:
    """What a constructor raised: jsonargparse reports anything as a ValueError of its own."""
    while error.__cause__ is not None:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if not frame.f_globals["__name__"].startswith("jsonargparse"):
            break
        error = error.__cause__
    return error


def _resolve_paths(init_args: Namespace, keys: Sequence[str]) -> None:
    for key in keys:
        value = init_args.get(key)
        if isinstance(value, str):
            init_args[key] = resolve_path(value)
        elif isinstance(value, list):
            init_args[key] = [resolve_path(item) for item in value]


def _options(parser: Any) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings]
