"""Files that appear complete or not at all: each is written under a temporary name beside its place, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np


def write_frames(path: Path, frames: np.ndarray, fps: int) -> None:
    """Write an H.264 file with a key frame every 12 frames, so that jumping into it is cheap.

    Args:
        path: File to write, whatever its suffix an MP4; its folder exists.
        frames: Frames ``[t, h, w, 3]``, uint8 RGB, with even h and w.
        fps: Frames per second.
    """
    height, width = frames.shape[1:3]
    with _renamed_at_the_end(path, path.stem) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast", "g": "12", "bf": "0", "threads": "1"}
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def write_text(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8, line ends as they are."""
    with _renamed_at_the_end(path, path.name) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


@contextmanager
def _renamed_at_the_end(path: Path, name: str) -> Iterator[Path]:
    temporary = path.with_name(f".{name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
