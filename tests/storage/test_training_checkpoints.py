import os
import pickle
import resource
import signal
from pathlib import Path

import pytest
import torch

from vidtldr.errors import UserError
from vidtldr.storage.training_checkpoints import SafeCheckpointIO

STATE = {"state_dict": {"weight": torch.arange(4.0)}, "optimizer_states": [{"step": 1}], "epoch": 0}


def saved(path: Path) -> dict:
    return SafeCheckpointIO().load_checkpoint(path)


def test_what_is_saved_is_read_back_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(STATE, str(path))
    assert torch.equal(saved(path)["state_dict"]["weight"], STATE["state_dict"]["weight"])
    assert saved(path)["optimizer_states"] == [{"step": 1}]
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_the_temporary_file_lies_beside_the_checkpoint_where_a_rename_is_atomic(tmp_path, monkeypatch):
    renamed = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda old, new: renamed.append((old, new)) or replace(old, new))
    SafeCheckpointIO().save_checkpoint(STATE, tmp_path / "last.ckpt")
    ((old, new),) = renamed
    assert old.parent == new.parent


@pytest.mark.parametrize("moment", [(os, "fsync"), (Path, "replace")])
def test_a_kill_while_it_is_written_leaves_the_former_one(tmp_path, monkeypatch, moment):
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(STATE, path)
    monkeypatch.setattr(*moment, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    child = os.fork()
    if child == 0:
        try:
            SafeCheckpointIO().save_checkpoint({**STATE, "epoch": 1}, path)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert saved(path)["epoch"] == 0


def test_a_full_disk_is_one_sentence_and_leaves_the_former_one(tmp_path):
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(STATE, path)
    large = {**STATE, "state_dict": {"weight": torch.zeros(1_000_000)}}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"^cannot write .*last\.ckpt: File too large; free space"):
            SafeCheckpointIO().save_checkpoint(large, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved(path)["epoch"] == 0
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


class _Touches:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_checkpoint_is_not_run(tmp_path, legacy):
    content = {**STATE, "callbacks": _Touches(tmp_path / "ran")}
    torch.save(content, tmp_path / "last.ckpt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=r"cannot go on from .*last\.ckpt: it is damaged or no checkpoint"):
        saved(tmp_path / "last.ckpt")
    assert not (tmp_path / "ran").exists()


def test_a_damaged_checkpoint_is_one_sentence(tmp_path):
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(STATE, path)
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"text", pickle.dumps([1])):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"cannot go on from .*last\.ckpt") as raised:
            saved(path)
        assert "\n" not in str(raised.value)


def test_weights_alone_are_refused(tmp_path):
    torch.save({"state_dict": STATE["state_dict"]}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"holds no state of a training; give it as --model\.checkpoint"):
        saved(tmp_path / "weights.pth")
