"""Files are told by their content, what lies beside the tensors does no harm, and nothing in a file is run."""

import gzip
import io
import struct
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.fuzz.payloads import hostile_files, payloads
from vidtldr.errors import UserError
from vidtldr.models.checkpoint import read_state_dict
from vidtldr.models.checkpoint.reading import read_content

_STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


def _assert_read(path: Path) -> None:
    state = read_state_dict(path)
    assert state.keys() == _STATE.keys()
    assert all(torch.equal(state[key], value) for key, value in _STATE.items())


_BESIDE: dict[str, Any] = {
    "NumPy scalars": {"best": np.float64(78.3), "step": np.int64(7), "done": np.bool_(True), "half": np.float16(1)},
    "NumPy arrays": {"mean": np.array([0.5, 0.4]), "names": np.array(["a", "b"]), "rows": np.zeros((2, 3))[:, 1]},
    "a random state": np.random.RandomState(0).get_state(),
    "paths": [Path("out/run"), Path("/data")],
    "paths of Windows": PureWindowsPath("C:/out"),
    "defaultdicts": {"log": defaultdict(list, {"loss": [0.5]}), "count": defaultdict(int, a=1), "none": defaultdict()},
}


@pytest.mark.parametrize("kind", _BESIDE)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_lies_beside_the_tensors_does_no_harm(kind: str, zipped: bool, tmp_path: Path) -> None:
    content = {"model": _STATE, "beside": _BESIDE[kind], "epoch": 3}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    _assert_read(tmp_path / "a.pth")


def test_weights_in_a_defaultdict_are_read_and_numpy_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": defaultdict(list, _STATE), "best": np.float64(1), "at": Path("x")}, tmp_path / "a.pth")
    _assert_read(tmp_path / "a.pth")
    content: Any = read_content(tmp_path / "a.pth")
    assert {type(content[key]).__module__ for key in ("best", "at")} == {"vidtldr.models.checkpoint.reading"}


class _Calls:
    """Pickled as a call of something allowed with something hostile inside."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_no_payload_is_run_inside_what_is_allowed(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for number, payload in enumerate(payloads(marker)):
        for kind, (suffix, hostile) in enumerate(hostile_files(payload, _as_bytes({"model": _STATE}))):
            path = tmp_path / f"hostile{suffix}"
            path.write_bytes(hostile)
            with pytest.raises(UserError, match="hostile"):
                read_state_dict(path)
            assert not marker.exists(), (number, kind)


@pytest.mark.parametrize("function", [eval, exec, open, getattr, __import__])
def test_a_function_that_is_not_allowed_is_refused_wherever_it_stands(
    function: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call = _Calls(function, "open('marker', 'w')")
    for content in (defaultdict(function), defaultdict(list, a=call), [Path("a"), call], np.array([call])):
        torch.save({"model": _STATE, "beside": content}, tmp_path / "a.pth")
        with pytest.raises(UserError, match=r"a.pth' holds '[\w.]+', which is neither a tensor nor known options"):
            read_state_dict(tmp_path / "a.pth")
    assert not Path("marker").exists()


def _as_bytes(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def test_a_file_is_told_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    save_file(_STATE, tmp_path / "a.pth")
    _assert_read(tmp_path / "a.pth")
    for zipped in (True, False):
        torch.save({"model": _STATE}, tmp_path / "b.safetensors", _use_new_zipfile_serialization=zipped)
        _assert_read(tmp_path / "b.safetensors")
    assert zipfile.is_zipfile(tmp_path / "a.pth") is False


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty (0 bytes): its download failed"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a pointer of Git LFS and not the"),
        (b"\r\n <!DOCTYPE html>\n<html><title>Sign in</title></html>", "is a web page and no weights"),
        (b"<html><body>Google Drive cannot scan this file</body></html>", "is a web page and no weights"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a web page and no weights"),
        (gzip.compress(b"x"), "is a compressed archive: unpack it"),
        (b"not found", "is not a file that torch.save wrote"),
        (struct.pack("<Q", 10**9) + b'{"a": 1}', "is not a whole safetensors file"),
    ],
    ids=["empty", "LFS", "HTML", "HTML at once", "XML", "gzip", "text", "cut safetensors"],
)
def test_what_was_downloaded_instead_is_said(content: bytes, sentence: str, tmp_path: Path) -> None:
    for name in ("a.safetensors", "a.pth"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError) as caught:
            read_state_dict(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        told_by_name = "not a whole safetensors file" if name == "a.safetensors" else "not a file that torch.save wrote"
        assert sentence in str(caught.value) or told_by_name in str(caught.value)


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2**25)}, tmp_path / "stored.pth")
    with zipfile.ZipFile(tmp_path / "stored.pth") as stored:
        for name in ("bomb.pth", "bomb.pt"):
            with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as squeezed:
                for member in stored.namelist():
                    squeezed.writestr(member, stored.read(member))
                if name == "bomb.pt":
                    squeezed.writestr("archive/constants.pkl", b"")  # looks like TorchScript
            with pytest.raises(UserError, match=rf"{name}' is an archive of [\d,]+ bytes that unpacks to 134,"):
                read_state_dict(tmp_path / name)
    assert read_state_dict(tmp_path / "stored.pth")["a"].numel() == 2**25


def test_a_squeezed_archive_of_weights_is_read(tmp_path: Path) -> None:
    torch.save(_STATE, tmp_path / "stored.pth")
    with (
        zipfile.ZipFile(tmp_path / "stored.pth") as stored,
        zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as squeezed,
    ):
        for member in stored.namelist():
            squeezed.writestr(member, stored.read(member))
    _assert_read(tmp_path / "a.pth")


@pytest.mark.parametrize(("numbers", "stride", "refused"), [(4, 1, False), (1000, 0, True)])
def test_a_torchscript_tensor_that_repeats_itself_is_not_copied(
    numbers: int, stride: int, refused: bool, tmp_path: Path
) -> None:
    storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\4tQ"
    view = b"K\0(M" + struct.pack("<H", numbers) + b"tK" + bytes([stride]) + b"\x85\x89ccollections\nOrderedDict\n)R"
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"tR"
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\2c__torch__\nM\n)\x81}X\1\0\0\0w" + call + b"sb.")
        archive.writestr("a/data/0", bytes(16))
        archive.writestr("a/constants.pkl", b"")
    if refused:
        with pytest.raises(UserError, match="it holds tensors that repeat themselves"):
            read_state_dict(tmp_path / "a.pt")
    else:
        assert torch.equal(read_state_dict(tmp_path / "a.pt")["w"], torch.zeros(4))
