"""What the README tells a user to type or paste works."""

import re
import shlex

import pytest

from tests.helpers.tiny_run import write_vocabulary
from vidtldr.cli.entry import run
from vidtldr.cli.paths import PROJECT_DIR

README = (PROJECT_DIR / "README.md").read_text()
_ONE_LINE_EACH = README.replace("\\\n", "")
COMMANDS = re.findall(r"^(?:python|torchrun|srun)\b[^#\n]*?\b(eval|train)\.py ([^#\n]+)", _ONE_LINE_EACH, re.MULTILINE)
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_there_is_something_to_test() -> None:
    assert len(COMMANDS) >= 5
    assert sum("/shared/results" in arguments for _, arguments in COMMANDS) == 2  # by torchrun and by srun
    assert len(SNIPPETS) == 1


@pytest.mark.parametrize(("script", "arguments"), COMMANDS)
def test_every_command_is_understood(script: str, arguments: str, tmp_path, capsys: pytest.CaptureFixture) -> None:
    module = {"eval": "vidtldr.cli.evaluate", "train": "vidtldr.cli.train"}[script]
    words = [word for word in shlex.split(arguments) if word not in ("--print_config", "...")]  # data and weights
    config = words[words.index("--config") + 1]
    if config.startswith("umt"):  # the others need no download
        words.append(f"--model.tokenizer={write_vocabulary(tmp_path / 'vocab.txt')}")
    with pytest.raises(SystemExit) as done:
        run(module, [*words, "--print_config"])
    assert done.value.code == 0
    assert "class_path: vidtldr.tasks." in capsys.readouterr().out


@pytest.mark.parametrize("snippet", SNIPPETS)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_snippet_runs_as_it_stands(snippet: str, capsys: pytest.CaptureFixture) -> None:
    exec(compile(snippet, "README.md", "exec"), {})
    assert capsys.readouterr().out == "torch.Size([2, 197]) torch.Size([2, 197])\n"


def test_named_files_exist() -> None:
    for path in re.findall(r"`((?:configs|vidtldr|tests|datamodules|callbacks)/[\w/.]+)`", README):
        assert (PROJECT_DIR / path).exists(), path
    for name in re.findall(r"\| `(\w+\.yaml)` \|", README):
        assert (PROJECT_DIR / "configs" / name).exists(), name
