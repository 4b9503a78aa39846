from dataclasses import fields

import pytest

from vidtldr.cli.entry import run
from vidtldr.cli.quick_help import method_lines
from vidtldr.merging.method_help import MethodHelp, OptionHelp
from vidtldr.merging.registry import METHODS

EVALUATE, TRAIN = "vidtldr.cli.evaluate", "vidtldr.cli.train"


def shown(capsys: pytest.CaptureFixture, command: str, option: str = "--help") -> str:
    assert run(command, [option]) == 0
    return capsys.readouterr().out


def methods_shown(text: str) -> dict[str, dict[str, str]]:
    """What is said of each option of each method, from the indents of the help text."""
    shown: dict[str, dict[str, str]] = {}
    for line in text.partition("\nmethods and their options")[2].splitlines()[1:]:
        indent, words = len(line) - len(line.lstrip()), line.split()
        if indent == 2:
            method = shown.setdefault(words[0], {})
        elif indent == 4:
            option = words[0]
            method[option] = " ".join(words[1:])
        elif method:
            method[option] += " " + " ".join(words)
    return shown


def test_help_lists_every_method_with_its_options(capsys):
    said = methods_shown(shown(capsys, EVALUATE))
    expected = {name: [field.name for field in fields(method) if field.init] for name, method in METHODS.items()}
    assert {name: list(options) for name, options in said.items()} == expected


def test_options_of_methods_are_told_with_their_docstrings(capsys):
    said = methods_shown(shown(capsys, EVALUATE))
    assert said["vidtldr"]["sharpening"].startswith("Spread the saliency of the others over [0, 1] (Eq. 9)")
    assert said["tome"]["metric"].endswith("(type: Literal['keys', 'tokens'], default: keys)")
    for method, options in said.items():
        for option, text in options.items():
            assert len(text.split("(type:")[0].split()) > 3, f"{method}.{option} has no help"
            assert "``" not in text
            assert ":class:" not in text


def test_an_option_that_has_to_be_given_is_told_so():
    mine = MethodHelp(
        "mine", "A method of one's own.", [OptionHelp("share", "float", None, "How much.", required=True)]
    )
    assert " ".join("".join(method_lines([mine])).split()).endswith("share How much. (type: float, required)")


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_help_keeps_to_the_width_of_the_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = shown(capsys, EVALUATE).partition("\nmethods and their options")[2].splitlines()[1:]
    assert max(map(len, lines)) <= max(columns, 48)


@pytest.mark.parametrize(
    ("command", "options"),
    [(EVALUATE, ["--methods", "--only", "--limit", "--strict", "--fresh"]), (TRAIN, ["--ckpt_path"])],
)
def test_help_names_own_options_and_where_the_others_are_shown(command, options, capsys):
    words = shown(capsys, command).replace(",", " ").split()
    elsewhere = ["--model.help", "--data.help", "--trainer.help"]
    for option in [*options, "--config", "--output", "--seed_everything", *elsewhere]:
        assert option in words


def test_training_has_no_methods(capsys):
    assert "tome" not in shown(capsys, TRAIN)


def test_all_options_of_the_trainer_are_shown_on_request(capsys):
    with pytest.raises(SystemExit) as stop:
        run(EVALUATE, ["--trainer.help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for option in ("--trainer.accelerator", "--trainer.max_epochs", "--model.help", "--only"):
        assert option in text
