"""Pickles that run a command when they are loaded carelessly."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch


class Payload:
    """Loading its pickle calls a function by name.

    Args:
        module: Module of the function.
        name: Its name.
        *args: What it is called with.
    """

    def __init__(self, module: str, name: str, *args: Any):
        self.call = module, name, args

    def pickled(self, protocol: int = 2) -> bytes:
        """The pickle, by hand for the protocols of old: ``module.name(*args)``."""
        module, name, args = self.call
        names = f"c{module}\n{name}\n".encode()
        head = b"" if protocol < 2 else bytes([0x80, protocol])
        return head + names + pickle.dumps(args, 0)[:-1] + b"R."


def payloads(marker: Path) -> list[Payload]:
    """Ways to create a file."""
    touch = f"touch '{marker}'"
    code = f"open({str(marker)!r}, 'w').close()"
    return [
        Payload("os", "system", touch),
        Payload("posix", "system", touch),
        Payload("subprocess", "getoutput", touch),
        Payload("builtins", "eval", code),
        Payload("builtins", "exec", code),
        Payload("__builtin__", "eval", code),
        Payload("builtins", "open", str(marker), "w"),
        Payload("torch", "save", 1, str(marker)),
        Payload("torch.serialization", "save", 1, str(marker)),
        Payload("torch.utils.collect_env", "run", touch),
        Payload("pathlib", "Path.touch", str(marker)),
    ]


def hostile_files(payload: Payload, sound: bytes) -> Iterator[tuple[str, bytes]]:
    """The payload in each kind of file; ``sound`` is a checkpoint as ``torch.save`` writes it."""
    for protocol in (0, 2, 4):
        yield ".pth", payload.pickled(protocol)
    yield ".safetensors", payload.pickled()
    header = payload.pickled()
    yield ".safetensors", struct.pack("<Q", len(header)) + header
    yield ".pth", _legacy(payload)
    yield ".pth", _with_pickle(sound, payload.pickled())
    yield ".pth", _with_pickle(sound, _before_the_end(payload, sound))
    yield ".pt", _with_pickle(sound, payload.pickled(), torchscript=True)


def _legacy(payload: Payload) -> bytes:
    """The format of torch before 1.6: several pickles one after the other, the payload in place of the last."""
    file = io.BytesIO()
    torch.save(OrderedDict(a=torch.zeros(2)), file, _use_new_zipfile_serialization=False)
    stream = io.BytesIO(file.getvalue())
    for _ in range(3):  # magic number, protocol, system
        pickle.load(stream)
    return file.getvalue()[: stream.tell()] + payload.pickled()


def _with_pickle(sound: bytes, pickled: bytes, torchscript: bool = False) -> bytes:
    """A zip archive of torch with another pickle inside."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sound)) as source, zipfile.ZipFile(result, "w") as target:
        for name in source.namelist():
            target.writestr(name, pickled if name.endswith("data.pkl") else source.read(name))
        if torchscript:
            target.writestr(source.namelist()[0].partition("/")[0] + "/constants.pkl", b"\x80\x02).")
    return result.getvalue()


def _before_the_end(payload: Payload, sound: bytes) -> bytes:
    """The sound pickle, which calls the payload and drops its result once all tensors are read."""
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        whole = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    return whole[:-1] + payload.pickled(0)[:-1] + b"0."
