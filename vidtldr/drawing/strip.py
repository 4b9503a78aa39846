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

_WHITE, _CLEAR = (255, 255, 255, 255), (255, 255, 255, 0)
_INK = (118, 124, 132, 255)  # grey that reads on white and on black
_GAP, _MARGIN, _FONT_SIZE, _BAR = 4, 8, 13, (90, 9)


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
    height = sum(row.pictures.shape[1] + _GAP + _caption_height(row) for row in rows) - _GAP + 2 * _MARGIN
    sheet = Image.new("RGBA", (width, height), _CLEAR if transparent else _WHITE)
    top = _MARGIN
    for row in rows:
        if row.caption or row.limits:
            _caption(sheet, row, top)
            top += _caption_height(row)
        for position, picture in enumerate(row.pictures):
            sheet.paste(Image.fromarray(picture), (_MARGIN + position * (picture.shape[1] + _GAP), top))
        top += row.pictures.shape[1] + _GAP
    return np.asarray(sheet if transparent else sheet.convert("RGB"))


def _caption_height(row: Row) -> int:
    return _FONT_SIZE + 8 if row.caption or row.limits else 0


def _caption(sheet: Image.Image, row: Row, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, top), row.caption, _INK, font=_font())
    if row.limits is not None:
        low, high = f"{row.limits.low:.2g}", f"{'≥ ' if row.limits.exceeded else ''}{row.limits.high:.2g}"
        left = _MARGIN + draw.textlength(row.caption, font=_font()) + 16
        draw.text((left, top), low, _INK, font=_font())
        left += draw.textlength(low, font=_font()) + 5
        sheet.paste(Image.fromarray(_colour_bar()), (round(left), top + (_FONT_SIZE - _BAR[1]) // 2 + 2))
        draw.text((left + _BAR[0] + 5, top), high, _INK, font=_font())


def _colour_bar() -> Picture:
    colours = matplotlib.colormaps[COLOUR_MAP](np.linspace(0, 1, _BAR[0]), bytes=True)[:, :3]
    return np.repeat(colours[None], _BAR[1], axis=0)


@cache
def _font() -> ImageFont.FreeTypeFont:
    # The one font that every installation has: it comes with matplotlib.
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", _FONT_SIZE)
