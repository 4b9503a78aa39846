"""Rows of pictures with captions: the frames of a clip from left to right, what is shown of them from top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vidtldr.drawing.maps import Frames
from vidtldr.drawing.pictures import COLOUR_MAP, Limits

Picture = NDArray[np.uint8]
"""``[H, W, 3]`` RGB, or ``[H, W, 4]`` with opacity."""

_INK = (118, 124, 132, 255)  # grey that reads on white and on black
_WHITE, _CLEAR = (255, 255, 255, 255), (*_INK[:3], 0)
_GAP, _MARGIN = 4, 8
_SMALLEST_TEXT, _WIDTH_PER_TEXT_SIZE = (
    13,
    64,
)  # wide sheets are shown smaller than they are, their text must not be small


@dataclass(frozen=True)
class Row:
    """Pictures of one kind.

    Attributes:
        pictures: From left to right, ``[T, H, W, 3]``.
        caption: Stands above them; empty for none.
        limits: Scores of the first and the last colour, where the pictures are heat maps: a legend tells them.
    """

    pictures: Frames
    caption: str = ""
    limits: Limits | None = None


def strip(rows: Sequence[Row], *, transparent: bool = False) -> Picture:
    """Rows below each other.

    Args:
        rows: What to show; heights and numbers of pictures may differ.
        transparent: Leave the background out, for pages that may be light or dark; else it is white.

    Returns:
        ``[H, W, 3]``, or ``[H, W, 4]`` if the background is left out.
    """
    width = max(len(row.pictures) * (row.pictures.shape[2] + _GAP) - _GAP for row in rows) + 2 * _MARGIN
    size = max(_SMALLEST_TEXT, width // _WIDTH_PER_TEXT_SIZE)
    captions = [_caption(row, size) for row in rows]
    above = [0 if caption is None else caption.height for caption in captions]
    height = sum(row.pictures.shape[1] + _GAP for row in rows) - _GAP + sum(above) + 2 * _MARGIN
    sheet = Image.new("RGBA", (width, height), _CLEAR if transparent else _WHITE)
    top = _MARGIN
    for row, caption, caption_height in zip(rows, captions, above, strict=True):
        if caption is not None:
            sheet.alpha_composite(
                caption.crop((0, 0, min(caption.width, width - _MARGIN), caption.height)), (_MARGIN, top)
            )
        for position, picture in enumerate(row.pictures):
            left = _MARGIN + position * (picture.shape[1] + _GAP)
            sheet.paste(Image.fromarray(picture), (left, top + caption_height))
        top += caption_height + row.pictures.shape[1] + _GAP
    return np.asarray(sheet if transparent else sheet.convert("RGB"))


def _caption(row: Row, size: int) -> Image.Image | None:
    """The line above a row: its caption, and a legend if it has one."""
    if not row.caption and row.limits is None:
        return None
    font = _font(size)
    parts: list[str | Image.Image] = [row.caption] if row.caption else []
    line = Image.new("RGBA", (4096, size * 3 // 2), _CLEAR)
    draw, left = ImageDraw.Draw(line), 0
    if row.limits is not None:
        low, high = f"{row.limits.low:.2g}", f"{'≥ ' if row.limits.exceeded else ''}{row.limits.high:.2g}"
        parts += [f"  {low}", _colour_bar(size), high]
    for part in parts:
        if isinstance(part, str):
            draw.text((left, 0), part, _INK, font=font)
            left += round(draw.textlength(part, font=font)) + size // 2
        else:
            line.paste(part, (left, size // 4))
            left += part.width + size // 2
    return line.crop((0, 0, left, line.height))


def _colour_bar(size: int) -> Image.Image:
    colours = matplotlib.colormaps[COLOUR_MAP](np.linspace(0, 1, 7 * size), bytes=True)[:, :3]
    return Image.fromarray(np.repeat(colours[None], size * 2 // 3, axis=0))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # The one font that every installation has: it comes with matplotlib.
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
