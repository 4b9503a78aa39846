"""A picture to judge the demo videos by: one row per video, eight frames of it, its captions below."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from datamodules.demo.captions import make_captions
from datamodules.demo.generate import scene_of
from datamodules.demo.render import render

_FRAMES = 8
_CELL, _GAP, _LINE = 96, 4, 13


def write_contact_sheet(path: Path | str, split: str, indices: list[int], *, num_captions: int = 3) -> None:
    """Draw videos as a model sees them: eight middle frames, resized to 96 x 96 pixels.

    Args:
        path: Picture to write; its suffix names the format.
        split: Split of the videos.
        indices: Which videos of it, one row each.
        num_captions: Captions written below each row.
    """
    row_height = _CELL + num_captions * _LINE + 3 * _GAP
    sheet = Image.new("RGB", (_FRAMES * (_CELL + _GAP) + _GAP, row_height * len(indices)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, index in enumerate(indices):
        scene = scene_of(split, index)
        frames = render(scene)
        edges = np.linspace(0, len(frames), _FRAMES + 1).astype(int)
        for column, frame in enumerate((edges[:-1] + edges[1:] - 1) // 2):
            cell = Image.fromarray(frames[frame]).resize((_CELL, _CELL), Image.Resampling.BICUBIC)
            sheet.paste(cell, (_GAP + column * (_CELL + _GAP), row * row_height + _GAP))
        for line, caption in enumerate(make_captions(scene, num_captions)):
            draw.text((_GAP, row * row_height + _CELL + _GAP + line * _LINE), caption, fill="black")
    sheet.save(path)
