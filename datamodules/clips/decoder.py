"""The one way from a video file to a clip, whichever decoder reads it."""

import importlib
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

import numpy as np
import torch
from torch import Tensor

from datamodules.clips.broken import BrokenVideoError
from datamodules.clips.spans import FrameSampler

__all__ = ["BrokenVideoError", "Decoder", "FrameSampler", "check_decoder", "decoder_version", "read_clip"]

Decoder = Literal["auto", "pyav", "decord", "torchcodec"]
"""``auto`` is ``pyav``: the right frames of every file. ``decord`` gives what the published evaluations saw."""

_INSTALL = {
    "pyav": "pip install av",
    "decord": "pip install decord (x86-64 only)",
    "torchcodec": "pip install torchcodec, and FFmpeg's libraries",
}


def read_clip(
    path: str | Path, sample: FrameSampler, max_seconds: float | None = None, decoder: Decoder = "auto"
) -> Tensor:
    """Decode the frames of a video that a sampler asks for.

    Frame ``i`` is the ``i``-th frame displayed: in presentation order, within the file's edit list, counted and not
    timed, so that in a file of variable frame rate "uniform" means uniform in index, as in the published evaluations.
    The file's rotation is applied. A file cut off exactly between two packets cannot be told from a shorter video. A
    decode can hang or crash in native code, where no exception of ours can end it:
    :class:`~datamodules.loading.guarded_loader.GuardedLoader` bounds it from outside.

    Args:
        path: Video file.
        sample: Chooses frame indices, given the number of frames; an index may repeat. It is asked a second time if
            the file turns out to have another number of frames than its container says.
        max_seconds: Sample as if the video ended here, by its mean frame rate; None is the whole video.
        decoder: Which library decodes.

    Returns:
        ``[t, c, h, w]`` uint8 RGB, one frame for each index asked for.

    Raises:
        BrokenVideoError: The file cannot be opened, has no frame, or a chosen frame cannot be decoded. A frame is never
            replaced by its neighbour. Or ``max_seconds`` is given and the file tells no frame rate.
    """
    frames = _readers(_library(decoder)).read_frames(path, sample, max_seconds)
    return torch.from_numpy(frames).permute(0, 3, 1, 2)  # [t, h, w, c] -> [t, c, h, w]


def check_decoder(decoder: str) -> None:
    """Refuse a decoder that is not known, or not installed.

    Raises:
        ValueError: It is one of these; the message tells what to do.
    """
    if decoder not in get_args(Decoder):
        raise ValueError(f"decoder={decoder!r} must be one of {', '.join(get_args(Decoder))}")
    name = _library(decoder)
    try:
        _readers(name)
    except (ImportError, OSError, RuntimeError) as error:  # torchcodec raises the last where FFmpeg is missing
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"decoder={decoder!r} is not installed ({reason}): {_INSTALL[name]}") from error


def decoder_version(decoder: Decoder) -> str:
    """Library and version, for the result record: different decoders may give different pictures."""
    return _readers(_library(decoder)).VERSION


class _Readers(Protocol):
    """What each of the modules ``datamodules.clips.*_frames`` offers."""

    VERSION: str

    def read_frames(self, path: str | Path, sample: FrameSampler, max_seconds: float | None) -> np.ndarray:
        """The frames asked for, ``[t, h, w, 3]`` uint8 RGB."""


def _library(decoder: str) -> str:
    return "pyav" if decoder == "auto" else decoder


def _readers(library: str) -> _Readers:
    """The module of a library, imported when it is first used: none of them is needed to run with another."""
    return cast(_Readers, importlib.import_module(f"datamodules.clips.{library}_frames"))
