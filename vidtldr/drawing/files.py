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

_DEGREES = 16  # of opacity in a palette


def write_png(path: str | Path, picture: Picture, *, colours: int | None = None) -> None:
    """Write a picture.

    Args:
        path: File to write; its folder exists.
        picture: ``[H, W, 3]`` or ``[H, W, 4]``.
        colours: Reduce it to a palette of so many, at most 256: a third of the size, for pages, not for measuring. Of
            what is not opaque one colour and 16 degrees of opacity are kept.

    Raises:
        UserError: It cannot be written; so it is with all functions here.
    """
    image = Image.fromarray(picture) if colours is None else _with_palette(picture, colours)
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


def _with_palette(picture: Picture, colours: int) -> Image.Image:
    plain = Image.fromarray(np.ascontiguousarray(picture[..., :3]))
    if picture.shape[-1] == 3:
        return plain.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    # Pillow's own palette with opacity is coarse: here opaque pixels have one as above, the others one colour.
    opaque = picture[..., 3] == 255
    ink = picture[~opaque][-1, :3] if not opaque.all() else np.zeros(3, np.uint8)
    reduced = plain.quantize(colours - _DEGREES, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    first = colours - _DEGREES
    degrees = first + np.rint(picture[..., 3] / 255 * (_DEGREES - 1)).astype(np.uint8)
    image = Image.fromarray(np.where(opaque, np.asarray(reduced), degrees), mode="P")
    palette = (reduced.getpalette() or [])[: 3 * first]
    image.putpalette(palette + [0] * (3 * first - len(palette)) + ink.tolist() * _DEGREES)
    image.info["transparency"] = bytes([255] * first + [round(255 * n / (_DEGREES - 1)) for n in range(_DEGREES)])
    return image
