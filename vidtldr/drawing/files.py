"""Pictures to disk: each file is there whole or not at all."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from vidtldr.drawing.maps import Frames
from vidtldr.drawing.strip import Picture
from vidtldr.storage.atomic_files import replacing


def write_png(path: str | Path, picture: Picture, *, colours: int | None = None) -> None:
    """Write a picture.

    Args:
        path: File to write; its folder exists.
        picture: ``[H, W, 3]`` or ``[H, W, 4]``.
        colours: Reduce it to a palette of so many, at most 256: a third of the size, for pages. Not for measuring.

    Raises:
        UserError: It cannot be written; so it is with all functions here.
    """
    image = Image.fromarray(picture)
    if colours is not None:
        method = Image.Quantize.FASTOCTREE if image.mode == "RGBA" else Image.Quantize.MEDIANCUT
        image = image.quantize(colours, method=method, dither=Image.Dither.NONE)
    with replacing(path, durable=False) as file:
        image.save(file, format="png", optimize=True)


def write_mp4(path: str | Path, frames: Frames, *, fps: float) -> None:
    """Write a video that browsers play: H.264, 4:2:0, so sizes that are odd get a line more.

    Args:
        path: File to write; its folder exists.
        frames: ``[T, H, W, 3]``.
        fps: Frames per second.
    """
    height, width = frames.shape[1:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    with replacing(path, durable=False) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = even.shape[2], even.shape[1], "yuv420p"
        stream.options = {"crf": "16", "preset": "veryfast", "threads": "1"}
        for pixels in even:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def write_gif(path: str | Path, frames: Frames, *, fps: float) -> None:
    """Write an animation that repeats for ever, in a palette of 256 colours.

    Args:
        path: File to write; its folder exists.
        frames: ``[T, H, W, 3]``.
        fps: Frames per second.
    """
    first, *others = (Image.fromarray(frame) for frame in frames)
    with replacing(path, durable=False) as file:
        first.save(file, format="gif", save_all=True, append_images=others, duration=round(1000 / fps), loop=0)


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by their names, compressed; :func:`numpy.load` reads them."""
    with replacing(path, durable=False) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
