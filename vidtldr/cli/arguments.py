"""What the commands ``python -m vidtldr.X`` have in common: how they tell of themselves, and what they refuse."""

import argparse
from typing import NoReturn

from vidtldr.errors import UserError


class CommandParser(argparse.ArgumentParser):
    """A parser whose ``--help`` shows no markup, and whose refusal is one sentence without the usage.

    Args:
        prog: How the command is called.
        description: What it does, such as the docstring of its module; its backticks are left out.
        usage: What stands in place of argparse's own; None for that.
        epilog: What follows the options; its backticks are left out too.
    """

    def __init__(
        self, prog: str, description: str | None, *, usage: str | None = None, epilog: str | None = None
    ) -> None:
        super().__init__(
            prog=prog, usage=usage, description=_plain(description), epilog=_plain(epilog), allow_abbrev=False
        )

    def error(self, message: str) -> NoReturn:
        """Raise a :class:`UserError` in place of argparse's exit."""
        from vidtldr.cli.sentences import one_sentence  # late: a page of help needs no jsonargparse

        raise UserError(one_sentence(message.removeprefix("argument "), self._option_string_actions))


def positive(text: str) -> int:
    """A whole number, 1 or more, as the ``type`` of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, not '{text}'")
    return int(text)


def _plain(text: str | None) -> str | None:
    return text and text.replace("`", "")
