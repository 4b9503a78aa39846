import argparse

import pytest

from vidtldr.cli.arguments import CommandParser, positive
from vidtldr.cli.entry import run
from vidtldr.errors import UserError


def test_help_shows_no_markup() -> None:
    told = CommandParser("python -m x", "``python -m x``: what `it` does.", epilog="More of ``it``.").format_help()
    assert "python -m x: what it does." in told
    assert told.endswith("More of it.\n")


@pytest.mark.parametrize("command", ["page", "figures", "search", "cost", "bench", "evidence"])
def test_no_command_shows_any(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(f"vidtldr.{command}.command", ["--help"])
    said = capsys.readouterr().out
    assert f"python -m vidtldr.{command}: " in " ".join(said.split())
    assert "`" not in said


def test_a_refusal_is_one_sentence() -> None:
    parser = CommandParser("python -m x", None)
    parser.add_argument("--videos", type=positive)
    assert parser.parse_args(["--videos", "12"]).videos == 12
    with pytest.raises(UserError, match=r"^--videos: must be a whole number, 1 or more, not '0'$"):
        parser.parse_args(["--videos", "0"])
    with pytest.raises(UserError, match=r"^unknown option --video \(did you mean --videos\?\)$"):
        parser.parse_args(["--video", "1"])


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "one", "", "²"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a whole number, 1 or more"):
        positive(text)
