"""Token features on disk, in the order of the data set."""

from pathlib import Path

import torch
from torch import Tensor


class TokenStore:
    """A memory-mapped ``[rows, n, d]`` array that is filled batch by batch and read row by row.

    Re-ranking reads every video's tokens again; for a thousand clips of UMT-B they are several GB, which belong on
    disk. The file is created with the first batch, whose shape and dtype it takes.

    Args:
        path: The file to create; an existing one is overwritten.
        rows: Rows in total.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self.path = path
        self.rows = rows
        self._array: Tensor | None = None

    def write(self, index: Tensor, features: Tensor) -> None:
        """Store ``features`` ``[b, n, d]`` at rows ``index`` ``[b]``.

        Raises:
            ValueError: The features have another shape than those before them.
        """
        features = features.detach().cpu()
        if self._array is None:
            shape = (self.rows, *features.shape[1:])
            size = self.rows * features[0].numel()
            self._array = torch.from_file(str(self.path), shared=True, size=size, dtype=features.dtype).view(shape)
        if features.shape[1:] != self._array.shape[1:]:
            raise ValueError(f"features of shape {tuple(features.shape[1:])} do not fit {tuple(self._array.shape[1:])}")
        self._array[index.cpu()] = features

    def read(self, index: Tensor | int) -> Tensor:
        """Rows ``[n, d]`` for one index, ``[b, n, d]`` for several, on the CPU."""
        if self._array is None:
            raise ValueError("nothing was stored yet")
        return self._array[index if isinstance(index, int) else index.cpu()]
