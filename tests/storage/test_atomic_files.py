import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vidtldr.errors import UserError
from vidtldr.storage.atomic_files import remove_rests, write_atomically


@pytest.mark.parametrize("content", ["Käse\n1\r\n2\r", "Käse\n1\r\n2\r".encode()])
def test_what_is_written_is_there_as_it_is_and_nothing_else(tmp_path, content):
    write_atomically(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == "Käse\n1\r\n2\r".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_all_may_read_it_whatever_the_umask(tmp_path):
    former = os.umask(0o077)
    try:
        write_atomically(tmp_path / "file", "x")
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_a_longest_possible_name_can_be_written(tmp_path):
    write_atomically(tmp_path / ("x" * 255), "x")
    assert (tmp_path / ("x" * 255)).read_text() == "x"


def test_a_full_disk_leaves_the_former_file_and_no_rest(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, "former")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(UserError) as raised:
            write_atomically(path, "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(raised.value) == f"cannot write {path}: File too large; free space or give another --output"
    assert path.read_text() == "former"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_not_there_is_told_with_the_file(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*gone/file: No such file or directory; free space"):
        write_atomically(tmp_path / "gone" / "file", "x")


def test_an_interruption_leaves_the_former_file_and_no_rest(tmp_path, monkeypatch):
    write_atomically(tmp_path / "file", "former")

    def interrupted(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "former"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


_KILLED = """
import os, signal, sys
from pathlib import Path
import vidtldr.storage.atomic_files as atomic
def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[sys.argv[2]], kill)
atomic.write_atomically(sys.argv[1], "new" * 100_000)
"""


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_leaves_the_former_file_whole(tmp_path, moment):
    path = tmp_path / "file"
    write_atomically(path, "former")
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", _KILLED, path, moment], cwd=root)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "former"
    assert len(list(tmp_path.iterdir())) == 2
    remove_rests(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
