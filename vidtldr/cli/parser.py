"""What ``eval.py`` and ``train.py`` share: from arguments to options, from options to model, data and trainer."""

import argparse
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from vidtldr.cli.argv import configs_first, configs_named, is_config_option, whole_help
from vidtldr.cli.entry import user_errors
from vidtldr.cli.messages import quiet_lightning
from vidtldr.cli.options import Program, option_strings
from vidtldr.cli.paths import config_names, resolve_path
from vidtldr.cli.sentences import import_class, one_sentence
from vidtldr.errors import UserError
from vidtldr.storage.atomic_files import write_atomically

_PATHS = {"model": ("checkpoint", "tokenizer", "token_embedding"), "data": ("root",)}
_CLIP_SHAPE = ("num_frames", "image_size")


class ProjectCLI:
    """The parsed options of a script; what is built of them, and in which order, is up to the script.

    LightningCLI is not used: it builds everything at once, right after parsing.

    Args:
        program: The script.
        argv: Arguments without the script's name.
        trainer_defaults: Trainer options whose default differs from Lightning's.

    Attributes:
        parser: The parser.
        config: The options, those of model and data as ``class_path`` and ``init_args``.
        config_name: Name of the last config that was given.
    """

    def __init__(
        self, program: Program, argv: Sequence[str], *, trainer_defaults: Mapping[str, Any] | None = None
    ) -> None:
        quiet_lightning()
        configs = configs_named(argv)
        self.config_name = Path(configs[-1]).stem if configs else "run"
        self.parser = _new_parser(program, trainer_defaults or {})
        try:
            self.config = self.parser.parse_args(whole_help(configs_first(argv)))
        except argparse.ArgumentError as error:
            raise UserError(self._sentence(str(error), argv)) from error
        self._seed()
        for part, keys in _PATHS.items():
            _resolve_paths(self.init_args(part), keys)
        self._share_clip_shape()

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
        return self.parser.instantiate(Namespace({key: self.config[key]}))[key]

    def _sentence(self, message: str, argv: Sequence[str]) -> str:
        if "are required" in message and not any(is_config_option(word) for word in argv):
            return f"no config given: add --config NAME, where NAME is a file or one of {', '.join(config_names())}"
        return one_sentence(message, option_strings(self.parser))

    def _seed(self) -> None:
        seed = self.config.seed_everything
        if seed is not False:
            self.config.seed_everything = seed_everything(None if seed is True else seed, workers=True)

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
                    f"model.{key} is {model[key]} but data.{key} is {data[key]}: set the model's alone, the data follow"
                )
            data[key] = model[key]

    def _default_of_data(self, key: str) -> Any:
        parser = ArgumentParser()
        parser.add_class_arguments(import_class(self.config.data.class_path), "data", fail_untyped=False)
        return parser.get_defaults().data.get(key)


def _new_parser(program: Program, trainer_defaults: Mapping[str, Any]) -> ArgumentParser:
    parser = ArgumentParser(
        prog=program.script, usage=program.usage, description=program.description, exit_on_error=False
    )
    program.add_options_to(parser)
    # As LightningCLI adds them, so that its configs can be used. A Trainer is made by `new_trainer` instead.
    parser.add_class_arguments(Trainer, "trainer", fail_untyped=False, instantiate=False, sub_configs=True)
    parser.set_defaults({f"trainer.{key}": value for key, value in trainer_defaults.items()})
    parser.add_subclass_arguments(LightningModule, "model", fail_untyped=False, required=True)
    parser.add_subclass_arguments(LightningDataModule, "data", fail_untyped=False, required=True)
    return parser


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
