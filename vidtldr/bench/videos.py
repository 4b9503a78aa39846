"""Videos to measure on: those of a folder, or generated ones."""

from pathlib import Path

import numpy as np

from datamodules.demo.sets.output import write_frames
from vidtldr.errors import UserError

_SUFFIXES = (".mp4", ".avi", ".mkv", ".webm", ".mov")


def videos_for(given: Path | None, folder: Path, count: int) -> list[Path]:
    """Videos of a folder, the first by name, or generated ones: ten seconds of a pattern that moves.

    Args:
        given: Folder to look in; None generates.
        folder: Where generated videos are written.
        count: How many at most.

    Raises:
        UserError: There is no video in the folder.
    """
    if given is not None:
        found = sorted(path for path in given.rglob("*") if path.suffix.lower() in _SUFFIXES)[:count]
        if not found:
            raise UserError(f"--videos {given}: there is no video in this folder")
        return found
    paths = [folder / f"{index}.mp4" for index in range(count)]
    for index, path in enumerate(paths):
        write_frames(path, _moving_pattern(index), fps=25)
    return paths


def _moving_pattern(seed: int, num_frames: int = 250, height: int = 240, width: int = 320) -> np.ndarray:
    """A texture that slides by a pixel or two a frame, ``[t, h, w, 3]`` uint8."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    texture = blocks.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([np.roll(texture, (frame, 2 * frame), axis=(0, 1)) for frame in range(num_frames)])
