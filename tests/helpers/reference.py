"""Access to the stored outputs of the reference implementations in ``tests/data``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidtldr.models.umt import UMTSize

UMT_TINY_SIZE = UMTSize(
    width=64,
    depth=4,
    num_heads=4,
    joint_dim=32,
    text_width=64,
    text_layers=4,
    text_heads=4,
    text_intermediate=128,
    fusion_layer=2,
    vocab_size=200,
    max_positions=48,
)
"""Size of the model in ``umt_tiny_retrieval``; it takes 4 frames of 64 px."""

DATA = Path(__file__).resolve().parent.parent / "data"


@cache
def load(name: str) -> dict[str, np.ndarray]:
    """Read ``tests/data/<name>.npz`` once; treat the arrays as read-only."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def tensor(arrays: dict[str, np.ndarray], key: str) -> Tensor:
    """Copy one array into a tensor; half precision becomes float32 and every integer int64."""
    copied = torch.from_numpy(np.array(arrays[key]))
    return copied.float() if copied.dtype == torch.float16 else copied if copied.is_floating_point() else copied.long()


def weights(arrays: dict[str, np.ndarray], prefix: str = "") -> dict[str, Tensor]:
    """Collect the state dict under ``w/<prefix>``.

    Args:
        arrays: What :func:`load` returned.
        prefix: Leading part of the official key with its dot, such as ``text_encoder.``; it is removed from the keys.

    Raises:
        KeyError: Nothing is stored under that prefix.
    """
    stored = f"w/{prefix}"
    found = {key.removeprefix(stored): tensor(arrays, key) for key in arrays if key.startswith(stored)}
    if not found:
        raise KeyError(f"no weights below '{stored}'")
    return found
