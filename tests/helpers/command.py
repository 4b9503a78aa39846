"""``eval.py`` run in this process."""

import json
from pathlib import Path

import pytest

from vidtldr.cli.entry import run


def evaluate(options: list[str], output: Path, *more: str) -> dict:
    """Run; returns the content of ``results.json``."""
    assert run("vidtldr.cli.evaluate", [*options, f"--output={output}", *more]) == 0
    (folder,) = output.iterdir()
    return json.loads((folder / "results.json").read_text())


def refused(options: list[str], capsys: pytest.CaptureFixture, *more: str) -> str:
    """Run; returns the one sentence that it ends with."""
    assert run("vidtldr.cli.evaluate", [*options, *more]) == 2
    captured = capsys.readouterr()
    last = captured.err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "Traceback" not in captured.err
    return last
