import sys

from vidtldr.cli.entry import run


def test_modules_of_the_current_folder_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "a_command_of_ones_own.py").write_text("def main(argv):\n    assert argv == ['word']\n")
    assert run("a_command_of_ones_own", ["word"]) == 0
