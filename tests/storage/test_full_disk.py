"""What commands write beside results: an error is one sentence, and a former file stays."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from vidtldr.cli.evaluate import EvalCLI
from vidtldr.errors import UserError
from vidtldr.models.checkpoint import read_state_dict, save_weights

SAID = r"^cannot write .*{}: File too large; free space or give another --output$"


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Stands for a disk that is nearly full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_weights_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    former, larger = nn.Linear(4, 4), nn.Linear(100, 100)
    save_weights(former, path)
    with files_up_to(1000), pytest.raises(UserError, match=SAID.format(r"weights\.safetensors")):
        save_weights(larger, path)
    read = read_state_dict(path)
    assert read.keys() == former.state_dict().keys()
    assert all(torch.equal(read[key], value) for key, value in former.state_dict().items())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    save_weights(larger, path)
    assert torch.equal(read_state_dict(path)["weight"], larger.weight)


def test_a_config_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    cli = EvalCLI(["--config", "umt_b_msvd.yaml"])
    (tmp_path / "config.yaml").write_text("former: true")
    with files_up_to(100), pytest.raises(UserError, match=SAID.format(r"config\.yaml")):
        cli.save_config(tmp_path)
    assert (tmp_path / "config.yaml").read_text() == "former: true"
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/out"):
        EvalCLI(["--config", "umt_b_msvd.yaml"]).save_config(tmp_path / "file" / "out")
