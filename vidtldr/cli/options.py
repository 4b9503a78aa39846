"""The own options of ``eval.py`` and ``train.py``; without torch and Lightning, so that help is quick."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ActionYesNo, ArgumentParser
from jsonargparse.typing import NonNegativeInt

from vidtldr.cli.argv import CONFIG_OPTIONS
from vidtldr.cli.inheritance import read_config
from vidtldr.cli.paths import config_names, find_config
from vidtldr.cli.sentences import one_sentence
from vidtldr.errors import UserError, did_you_mean
from vidtldr.results.paper import PaperRow

_RENAMED = {"chosen_methods": "only"}
"""Keys of configs that earlier versions wrote beside their results, with today's names."""


@dataclass(frozen=True)
class Program:
    """A script of the project.

    Attributes:
        script: Its name.
        description: What it does, as ``--help`` begins.
        add_own_options: Adds to a parser what the script has beside model, data and trainer.
        compares_methods: Whether its configs list methods.
    """

    script: str
    description: str
    add_own_options: Callable[[ArgumentParser], None]
    compares_methods: bool

    def add_options_to(self, parser: ArgumentParser) -> None:
        """Add all options but those of model, data and trainer."""
        parser.add_argument(
            *CONFIG_OPTIONS,
            action=ConfigByName,
            help="A config file, or the name of a shipped one: "
            f"{', '.join(config_names())}. Several overlay each other; options given beside them win over all.",
        )
        self.add_own_options(parser)
        parser.add_argument(
            "--seed_everything",
            type=bool | int,
            default=0,
            help="Seed of all random numbers; true draws one, false leaves them unseeded.",
        )

    @property
    def usage(self) -> str:
        """How to call it."""
        return f"{self.script} --config NAME [--OPTION VALUE ...]"


class ConfigByName(ActionConfigFile):
    """``--config``, which also finds shipped configs by their bare name and reads what they inherit."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Look the config up, then let jsonargparse read it; what it finds wrong is said with the file's name."""
        path = find_config(values)
        content = {_RENAMED.get(key, key): value for key, value in read_config(path).items()}
        legal = list(dict.fromkeys(action.dest.split(".")[0] for action in parser._actions))
        if unknown := [key for key in content if key not in legal]:  # jsonargparse would leave it out without a word
            hint = did_you_mean(unknown[0], legal)
            raise UserError(f"{path}: unknown key '{unknown[0]}'{hint}; the keys are {', '.join(sorted(legal))}")
        try:
            # jsonargparse takes the text of a config for the name of a file.
            super().__call__(parser, cfg, yaml.safe_dump(content, sort_keys=False), option_string)
        except argparse.ArgumentError as error:
            raise UserError(f"{path}: {one_sentence(str(error), option_strings(parser))}") from error


def option_strings(parser: Any) -> list[str]:
    """All that can be written as an option."""
    return [option for action in parser._actions for option in action.option_strings]


def _add_options_of_evaluation(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--methods",
        type=dict[str, dict[str, Any]],
        default={},
        help="What to compare, in a config: {base: {}, tome: {r: 92}}; an entry with a name of its own says which "
        "method it is: {wide: {method: tome, r: 200}}. On the command line, --methods.tome.r 50 changes one option of "
        "one entry.",
    )
    parser.add_argument(
        "--only",
        type=list[str] | str | None,
        default=None,
        metavar="NAMES",
        help="Evaluate only these entries of the config's methods, in this order: --only base,tome. Default: all.",
    )
    parser.add_argument(
        "--sweep",
        type=list[str] | str | None,
        default=None,
        metavar="ENTRY.OPTION=VALUES",
        help="Evaluate an entry with each of several values of an option: --sweep tome.r=10,20,40, or with lists "
        "--sweep vidtldr.r=[36,12,6],[30,10]. Each value becomes a method such as tome-r10, in the entry's place. The "
        "option can be repeated; several options of one entry give all combinations.",
    )
    parser.add_argument(
        "--pairs",
        type=str | None,
        default=None,
        help="Pre-training of a zero-shot checkpoint by its video-text pairs: 5M, 17M or 25M. It chooses the schedules "
        "of a config that gives several.",
    )
    parser.add_argument(
        "--paper",
        type=PaperRow | None,
        default=None,
        help="Row of vid-TLDR's paper to show beside the results, in a config: {table: 2, row: msvd}.",
    )
    parser.add_argument(
        "--baseline",
        type=list[str] | str | None,
        default=None,
        metavar="NAMES",
        help="Compare with these entries too, not with base alone: --baseline tome tells how far the others are from "
        "ToMe, with intervals. Several are separated by commas, or the option is repeated.",
    )
    parser.add_argument(
        "--pictures",
        type=NonNegativeInt,
        default=0,
        metavar="N",
        help="Keep pictures of the N videos that the methods differ most in: what merged and what was lost under each. "
        "They come in a short pass when all methods are through, and change no number.",
    )
    parser.add_argument("--limit", type=int | None, default=None, help="Evaluate only the first LIMIT videos.")
    parser.add_argument(
        "--strict",
        action=ActionYesNo,
        default=False,
        help="Stop at the first missing or broken video instead of leaving it out.",
    )
    parser.add_argument(
        "--output",
        type=str | None,
        default=None,
        help="Folder for results; each run makes a sub-folder named by date and time. Default: outputs/CONFIG.",
    )
    parser.add_argument(
        "--fresh",
        action=ActionYesNo,
        default=False,
        help="Start anew. By default, a command that was interrupted continues where it stopped.",
    )


def _add_options_of_training(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        type=str | None,
        default=None,
        help="Folder for checkpoints, weights and TensorBoard. Default: outputs/CONFIG/train.",
    )
    parser.add_argument(
        "--ckpt_path",
        type=str | None,
        default=None,
        help="Resume from this checkpoint, with optimiser and step; `last` means the last one in --output.",
    )


EVALUATION = Program(
    script="eval.py",
    description="Evaluate a video model under token merging: every method of a config on the same clips, then a table "
    "of cost, accuracy and speed, results.json and TensorBoard runs.",
    add_own_options=_add_options_of_evaluation,
    compares_methods=True,
)
TRAINING = Program(
    script="train.py",
    description="Fine-tune a video model: checkpoints, the best weights, the config and a TensorBoard run go to "
    "--output.",
    add_own_options=_add_options_of_training,
    compares_methods=False,
)
PROGRAMS = {"vidtldr.cli.evaluate": EVALUATION, "vidtldr.cli.train": TRAINING}
"""The scripts by the modules that run them."""
