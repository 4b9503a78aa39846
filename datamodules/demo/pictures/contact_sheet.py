"""A picture to judge the demo videos by: one row per video, eight frames of it, what is said of it below."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from datamodules.demo.sets.production import VideoSet

_FRAMES = 8
_CELL, _GAP, _LINE = 96, 4, 13


def write_contact_sheet(path: Path | str, videos: VideoSet, split: str, indices: list[int]) -> None:
    """Draw videos as a model sees them: eight frames, resized to 96 x 96 pixels or, in a strided clip, 96 high.

    Args:
        path: Picture to write; its suffix names the format.
        videos: Set of the videos.
        split: Split of the videos.
        indices: Which videos of it, one row each.
    """
    rows = [_row(videos.frames(split, index), videos.texts(split, index), videos.sheet_stride) for index in indices]
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    sheet.save(path)


def _row(frames: np.ndarray, texts: list[str], stride: int | None) -> Image.Image:
    """One video and its texts."""
    height, width = frames.shape[1:3]
    cell = _CELL if stride is None else round(_CELL * width / height)
    row = Image.new("RGB", (_FRAMES * (cell + _GAP) + _GAP, _CELL + len(texts) * _LINE + 3 * _GAP), "white")
    for column, frame in enumerate(_chosen(len(frames), stride)):
        picture = Image.fromarray(frames[frame]).resize((cell, _CELL), Image.Resampling.BICUBIC)
        row.paste(picture, (_GAP + column * (cell + _GAP), _GAP))
    for line, text in enumerate(texts):
        ImageDraw.Draw(row).text((_GAP, _CELL + _GAP + line * _LINE), text, fill="black")
    return row


def _chosen(num_frames: int, stride: int | None) -> list[int]:
    """The middle of each eighth of a video, or every ``stride``-th frame from the first."""
    if stride is not None:
        return [column * stride for column in range(_FRAMES)]
    edges = np.linspace(0, num_frames, _FRAMES + 1).astype(int)
    return [int(middle) for middle in (edges[:-1] + edges[1:] - 1) // 2]
