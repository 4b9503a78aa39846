"""``--help`` without Lightning: own options, methods, and where the options of classes and Trainer are shown."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from vidtldr.cli.argv import WHOLE_HELP_OPTION
from vidtldr.cli.options import Program

if TYPE_CHECKING:
    from vidtldr.merging.method_help import MethodHelp

_COLUMN = 24  # where argparse begins what it says of an option
_CLASSES = (
    ("--model CLASS", "The task, such as vidtldr.tasks.VideoTextRetrieval; --model.OPTION VALUE sets an option of it."),
    ("--model.help CLASS", "Show the options of a task and exit."),
    ("--data CLASS", "The data set, such as datamodules.MSVD; --data.OPTION VALUE sets an option of it."),
    ("--data.help CLASS", "Show the options of a data set and exit."),
    ("--trainer.OPTION VALUE", "Set an option of Lightning's Trainer, such as --trainer.accelerator gpu."),
    (WHOLE_HELP_OPTION, "Show the options of the Trainer beside all others and exit; this takes some seconds."),
)


def print_help(program: Program) -> None:
    """Print what a script can be told, on standard output."""
    parser = ArgumentParser(prog=program.script, usage=program.usage, description=program.description)
    program.add_options_to(parser)
    print(parser.format_help())
    print("model, data and trainer (a shipped config sets them):")
    for option, said in _CLASSES:
        print(_entry(f"  {option}", said))
    if program.compares_methods:
        print("\nmethods and their options (as entries of `methods` in a config, or by --methods.ENTRY.OPTION VALUE):")
        print("\n".join(method_lines(_described_methods())))


def _described_methods() -> "Iterable[MethodHelp]":
    # Late: torch comes with it, and train.py's help does without.
    from vidtldr.merging.registry import describe_methods

    return describe_methods()


def method_lines(methods: "Iterable[MethodHelp]") -> Iterator[str]:
    """Each method with what it is, and below it, indented further, its options."""
    for method in methods:
        yield _entry(f"  {method.name}", method.summary)
        for option in method.options:
            given = "required" if option.required else f"default: {option.default}"
            yield _entry(f"    {option.name}", f"{option.help} (type: {option.type}, {given})")


def _entry(head: str, said: str) -> str:
    """An option and what is said of it, in argparse's two columns."""
    width = shutil.get_terminal_size().columns - 2
    lines = textwrap.wrap(said, max(width - _COLUMN, _COLUMN))
    if len(head) > _COLUMN - 2:
        return "\n".join([head, *(" " * _COLUMN + line for line in lines)])
    return f"\n{' ' * _COLUMN}".join([f"{head:<{_COLUMN}}{lines[0]}", *lines[1:]])
