import sys

import pytest

from vidtldr.cli.entry import run


def test_modules_of_the_current_folder_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "a_command_of_ones_own.py").write_text("def main(argv):\n    assert argv == ['word']\n")
    assert run("a_command_of_ones_own", ["word"]) == 0


@pytest.mark.parametrize("option", ["--data.root", "--model.checkpoint", "--output", "--data.annotation"])
def test_a_path_too_long_for_a_file_system_is_one_sentence(option, capsys):
    assert run("vidtldr.cli.evaluate", ["--config=umt_b_msvd.yaml", f"{option}={'x' * 300}"]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert said.startswith("error: ")


def test_other_errors_of_the_system_keep_their_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "a_command_that_fails.py").write_text("def main(argv):\n    raise PermissionError(13, 'no', 'x')\n")
    with pytest.raises(PermissionError):
        run("a_command_that_fails", [])
