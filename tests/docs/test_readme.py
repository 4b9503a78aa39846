"""What the pages tell a user to type or paste works, and what they name is there."""

import importlib
import pkgutil
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import PAGES, code, commands, expanded, spans
from tests.helpers.tiny_run import write_vocabulary
from vidtldr.cli.entry import run
from vidtldr.cli.paths import PROJECT_DIR

COMMANDS = commands(r"^(python|torchrun|srun)\b.*\b(eval|train)\.py (?!--help)(.+)")
TOOLS = commands(r"^(?:[A-Z_]+=\d+ )*python -m ((?:vidtldr|datamodules)[\w.]*) ?(.*)")
SNIPPETS = [snippet for page in PAGES.values() for snippet in re.findall(r"```python\n(.*?)```", page, re.DOTALL)]
WRITTEN_BY_RUNS = {"config.yaml", "search.yaml"}
OTHER_OPTIONS = {
    "--config": "of every command",
    "--methods.vidtldr.r": "of a method",
    "--methods.vidtldr.sharpening": "of a method",
    "--print_config": "of eval.py and train.py",
    "--model.help": "of eval.py and train.py",
    "--data.help": "of eval.py and train.py",
    "--ckpt_path": "of train.py",
    "--help": "of every command",
}


def test_there_is_something_to_test() -> None:
    assert len(COMMANDS) >= 5
    assert sum("/shared/results" in arguments for _, _, arguments in COMMANDS) == 2  # by torchrun and by srun
    assert len(SNIPPETS) == 1
    assert len(TOOLS) >= 12


def _print_config(script: str, words: list[str], folder: Path) -> None:
    if words[words.index("--config") + 1].startswith("umt"):  # the others need no download
        words = [*words, f"--model.tokenizer={write_vocabulary(folder / 'vocab.txt')}"]
    with pytest.raises(SystemExit) as done:
        run({"eval": "vidtldr.cli.evaluate", "train": "vidtldr.cli.train"}[script], [*words, "--print_config"])
    assert done.value.code == 0


@pytest.mark.parametrize(("script", "arguments"), sorted({command[1:] for command in COMMANDS}))
def test_every_command_is_understood(script: str, arguments: str, tmp_path, capsys: pytest.CaptureFixture) -> None:
    words = [word for word in shlex.split(arguments) if word not in ("--print_config", "...", "…")]  # data and weights
    place = words.index("--config") + 1
    words[place] = expanded(words[place])[0]  # that the others exist is tested below, that they parse in tests/configs
    _print_config(script, words, tmp_path)
    assert "class_path: vidtldr.tasks." in capsys.readouterr().out


@pytest.mark.parametrize("snippet", SNIPPETS)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_snippet_runs_as_it_stands(snippet: str, capsys: pytest.CaptureFixture) -> None:
    exec(compile(snippet, "a page", "exec"), {})
    assert capsys.readouterr().out == "torch.Size([2, 197]) torch.Size([2, 197])\n"


def _help(module: str, capsys: pytest.CaptureFixture) -> str:
    names = [name for name in (f"{module}.command", f"{module}.__main__", module) if _is_module(name)]
    with pytest.raises(SystemExit) as done:
        importlib.import_module(names[0]).main(["--help"])
    assert done.value.code == 0
    return capsys.readouterr().out


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a part of a module that is no package
        return False


@pytest.mark.parametrize(("module", "arguments"), TOOLS)
def test_every_tool_has_the_options_that_a_page_gives_it(
    module: str, arguments: str, capsys: pytest.CaptureFixture
) -> None:
    known = _help(module, capsys)
    for option in [word for word in shlex.split(arguments) if word.startswith("-")]:
        assert re.search(rf"(?<![\w-]){re.escape(option)}\b", known), option


def _options_of_configs(folder: Path, capsys: pytest.CaptureFixture) -> Iterator[str]:
    """Options of all four tasks and their data, as ``--data.root``, from what ``--print_config`` prints."""
    named = [("eval", name) for name in ("umt_b_msvd.yaml", "videomae_b_ucf101.yaml", "umt_b_msvd_qa.yaml")]
    named += [("eval", "vifi_clip_ucf101_base2novel.yaml"), ("train", "demo_recognition_train.yaml")]
    for script, name in named:
        _print_config(script, ["--config", name], folder)
        for key, value in yaml.safe_load(capsys.readouterr().out).items():
            yield f"--{key}"
            inner = value.get("init_args", value) if isinstance(value, dict) else {}
            yield from (f"--{key}.{name}" for name in inner)


def test_every_option_named_in_the_text_exists(tmp_path, capsys: pytest.CaptureFixture) -> None:
    named = {(page, span.split()[0].split("=")[0]) for page in PAGES for span in spans(page) if span.startswith("--")}
    known = {*_options_of_configs(tmp_path, capsys), *OTHER_OPTIONS}
    tools = "".join(_help(module, capsys) for module in {module for module, _ in TOOLS})
    assert len(named) > 15
    assert [(page, option) for page, option in sorted(named) if option not in known and f"{option} " not in tools] == []


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page: str) -> None:
    for path in re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGES[page]):
        assert (PROJECT_DIR / page).parent.joinpath(path).exists(), path
    for span in " ".join(code(page)).split():
        for path in expanded(span):
            if re.fullmatch(r"(configs|vidtldr|tests|datamodules|callbacks|docs|\.ci)/[\w/.]*", path):
                assert (PROJECT_DIR / path).exists(), path
            if re.fullmatch(r"\w+\.yaml", path) and path not in WRITTEN_BY_RUNS:
                assert (PROJECT_DIR / "configs" / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_named_modules_classes_and_targets_exist(page: str) -> None:
    targets = (PROJECT_DIR / "Makefile").read_text()
    for line in code(page):
        for name in re.findall(r"^((?:vidtldr|datamodules|callbacks)(?:\.\w+)+)(?:\(.*)?$", line):
            assert pkgutil.resolve_name(name) is not None
        for target in re.findall(r"^make ([\w-]+)$", line):
            assert re.search(rf"^{target}:", targets, re.MULTILINE), target


def test_the_readme_is_a_page() -> None:
    lines = PAGES["README.md"].splitlines()
    assert len(lines) <= 130
    assert [line for line in lines if len(line) > 120] == []


def test_every_room_stands_in_the_readme_and_in_the_contract_of_imports() -> None:
    listed = subprocess.run(["git", "ls-files", "*/__init__.py"], cwd=PROJECT_DIR, capture_output=True, text=True)
    folders = [Path(name).parent for name in listed.stdout.splitlines()]
    rooms = [folder for folder in folders if len(folder.parts) == 2 or folder.parts == ("callbacks",)]
    assert len(rooms) > 10
    configured = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = re.findall(r"[\w.]+", " ".join(configured[0]["layers"]))
    house = PAGES["README.md"].partition("## The house")[2]
    for room in rooms:
        assert f"\n{room}/ " in house, room
        assert ".".join(room.parts) in layers, room
