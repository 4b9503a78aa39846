import subprocess
import sys

import pytest

from vidtldr.cli.early import refuse_missing_files
from vidtldr.cli.entry import run
from vidtldr.cli.paths import PROJECT_DIR
from vidtldr.errors import UserError

NAME = "--config=umt_b_msvd"
IMPORTED = """
import sys
from vidtldr.cli.entry import run

code = run({command!r}, sys.argv[1:])
heavy = [name for name in ("torch", "lightning", "timm", "transformers", "open_clip") if name in sys.modules]
print("code", code, "imported", *heavy)
"""


def imported(command: str, *argv: str) -> str:
    """Run a script in a process of its own; returns its last line: exit code and heavy packages it imported."""
    program = [sys.executable, "-c", IMPORTED.format(command=command), *argv]
    answer = subprocess.run(program, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=120)
    return answer.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("command", ["vidtldr.cli.evaluate", "vidtldr.cli.train"])
@pytest.mark.parametrize(
    "argv",
    [
        ["--config=nowhere"],
        [NAME, "--data.root=/no/such/folder"],
        [NAME, f"--data.root={PROJECT_DIR}", "--model.checkpoint=/no/such/file.pth"],
        ["--config=demo", "--model.checkpoint", "nothere.pth"],
    ],
)
def test_a_missing_file_is_refused_before_torch_is_imported(command, argv):
    assert imported(command, *argv) == "code 2 imported"


def test_help_of_training_imports_nothing_heavy():
    assert imported("vidtldr.cli.train", "--help") == "code 0 imported"


def test_help_of_evaluation_does_without_lightning():
    assert "lightning" not in imported("vidtldr.cli.evaluate", "--help")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([NAME, "--data.root=/no/such/folder"], "^root=/no/such/folder: no such folder$"),
        ([NAME, "--data.init_args.root", "nowhere"], "^root=nowhere: no such folder$"),
        (["--config=demo", "--model.checkpoint=nothere.pth"], "^checkpoint 'nothere.pth' does not exist$"),
        (["--config=demo", "--model.init_args.checkpoint=[configs/demo/umt.safetensors, b.pth]"], "'b.pth' does not"),
        (["--config=demo", "--data=datamodules.MSVD", "--data.root=nowhere"], "root=nowhere"),
    ],
)
def test_the_missing_file_is_named(argv, message):
    with pytest.raises(UserError, match=message):
        refuse_missing_files(argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["--config=demo", "--data.root=not/made/yet"],  # the demo sets are made on first use
        [NAME, "--data=elsewhere.Data", "--model=elsewhere.Model", "--data.root=s3", "--model.checkpoint=hub"],
        [NAME, "--data.root=null", "--model.checkpoint=null"],
        [NAME, "--print_config"],
        [NAME, "--data.help=datamodules.MSVD"],
        [NAME, f"--data.root={PROJECT_DIR}", "--model.checkpoint=pyproject.toml"],
    ],
)
def test_what_may_exist_or_is_not_read_is_left_to_the_classes(argv):
    refuse_missing_files(argv)


def test_a_later_value_and_a_later_config_win(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"{{data: {{init_args: {{root: {tmp_path}}}}}}}")
    refuse_missing_files([NAME, "--config", str(mine), "--model.checkpoint=null"])
    with pytest.raises(UserError, match="root=b"):
        refuse_missing_files([NAME, "--data.root=a", "--data.root", "b"])


def test_a_config_that_nobody_can_read_is_refused_by_name(tmp_path, capsys):
    (tmp_path / "broken.yaml").write_text("{model: [")
    assert run("vidtldr.cli.evaluate", ["--config", str(tmp_path / "broken.yaml")]) == 2
    assert "broken.yaml: this is no YAML" in capsys.readouterr().err
