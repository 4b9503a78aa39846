"""``--help`` without Lightning: own options, methods, and where the options of classes and Trainer are shown."""

import shutil
import textwrap
from collections.abc import Iterator

from jsonargparse import ArgumentParser

from vidtldr.cli.argv import WHOLE_HELP_OPTION
from vidtldr.cli.options import Program

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
        print("\n".join(_method_lines()))


def _method_lines() -> Iterator[str]:
    # Late: torch comes with it, and train.py's help does without.
    from vidtldr.cli.method_stand_in import describe_methods

    for method in describe_methods():
        yield _entry(f"  {method.name}", method.summary)
        for option in method.options:
            yield _entry(f"    {option.name}", f"{option.help} (type: {option.type}, default: {option.default})")


def _entry(head: str, said: str) -> str:
    """An option and what is said of it, in argparse's two columns."""
    width = shutil.get_terminal_size().columns - 2
    lines = textwrap.wrap(said, max(width - _COLUMN, _COLUMN))
    if len(head) > _COLUMN - 2:
        return "\n".join([head, *(" " * _COLUMN + line for line in lines)])
    return f"\n{' ' * _COLUMN}".join([f"{head:<{_COLUMN}}{lines[0]}", *lines[1:]])
