"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

from vidtldr.cli.paths import PROJECT_DIR

PACKAGES = ("vidtldr", "datamodules", "callbacks")
FILES = [path for package in PACKAGES for path in sorted((PROJECT_DIR / package).rglob("*.py"))]
MODULES = [
    ".".join(path.relative_to(PROJECT_DIR).with_suffix("").parts) for path in FILES if ">>> " in path.read_text()
]


def test_there_are_examples() -> None:
    assert {"datamodules.clips.sampling", "vidtldr.metrics.retrieval", "vidtldr.cli.argv"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_say(name: str, capsys: pytest.CaptureFixture) -> None:
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted > 0
    assert done.failed == 0, capsys.readouterr().out
