"""Lists of videos and class numbers, one video a line: what separates, quotes, heads and counts their lines.

Each is told from the list itself. Where two readings are possible, the list is refused and not guessed.
"""

import csv
import re
from pathlib import Path
from typing import NamedTuple

from datamodules.annotations.foreign_paths import tolerated_paths, with_slashes
from datamodules.annotations.text_files import shown, shown_names, split_lines
from datamodules.annotations.video_files import strip_suffix

_SEPARATORS = (",", ";", "\t", " ")  # a space last: it may stand beside one of the others
_NUMBER = re.compile(r"-1|[0-9]{1,6}")  # no data set has a million classes, and no model could tell more apart
UCF_NAME = re.compile(r"v_(.+)_g[0-9]+_c[0-9]+")
"""How the videos of UCF101 are called: ``v_<class>_g01_c02``."""

_QUOTED = re.compile(r'(?:[0-9,;\t ]*[,;\t ])?"')  # the name is quoted; before it stands at most an index or its head
_INDEX_COLUMN = re.compile(r"|index|unnamed: [0-9]+")  # as pandas heads its index, and how it reads that back
_LABEL_COLUMNS = {
    f"{thing}{part}" for thing in ("label", "class", "category", "target") for part in ("", "_id", "_idx", "_index")
} | {"labels", "classid", "labelid"}
_VIDEO_COLUMNS = {
    f"{thing}{part}"
    for thing in ("video", "file", "clip")
    for part in ("", "s", "name", "_name", "path", "_path", "_id")
} | {"path", "name"}
_FRAME_COLUMNS = {"num_frames", "total_frames", "n_frames", "nframes", "frames"}


class Line(NamedTuple):
    """A line of a list that is not blank, and where it stands."""

    place: str
    text: str


class LabelledVideo(NamedTuple):
    """A video, its class number as the list counts, and where they stand."""

    place: str
    video: str
    label: int


class VideoList(NamedTuple):
    """The videos of a list, its separator, and in words what else was met and understood."""

    videos: list[LabelledVideo]
    separator: str
    tolerated: list[str]


class _Layout(NamedTuple):
    separator: str
    has_header: bool = False
    num_index: int = 0

    @property
    def line(self) -> str:
        """A line of the list in words."""
        columns = ["<index>"] * self.num_index + ["<video>", "<class number>"]
        return self.separator.replace("\t", "<tab>").join(columns)


def filled_lines(path: Path, text: str) -> list[Line]:
    """The lines that are not blank.

    Raises:
        ValueError: There is none.
    """
    lines = enumerate(split_lines(text), start=1)
    # a blank at the start stays: in a header it may stand after the empty name of an index column
    filled = [Line(f"{path}, line {number}", line.rstrip()) for number, line in lines if line.strip()]
    if not filled:
        raise ValueError(f"{path} holds no record: it is empty")
    return filled


def split_fields(line: str, separator: str) -> list[str]:
    """Fields of a line; those of a line with a quoted name come without their quotes, as CSV means them.

    Raises:
        csv.Error: A quote is not closed as CSV closes it.
    """
    if not _QUOTED.match(line):
        return line.split(separator)
    # a separator that is a space is not to be skipped
    return next(csv.reader([line], delimiter=separator, skipinitialspace=separator != " ", strict=True))


def separator_of(line: str) -> str | None:
    """What separates the class number at the end of a line from the rest; None if there is no such number."""
    return next((separator for separator in _SEPARATORS if _is_labelled(line, separator)), None)


def read_labelled(path: Path, lines: list[Line]) -> VideoList | None:
    """The videos of a list and their class numbers; None if its lines do not end in one.

    A line is split once from the right, so that an unquoted name may hold the separator.

    Raises:
        ValueError: A line has another form than the first, the list is one of folders of frames or has more columns,
            or its labels are hidden.
    """
    layout = _layout(path, lines)
    if layout is None:
        return None
    body = lines[layout.has_header :]
    rows = [_fields(line, layout) for line in body]
    columns = [[field.strip() for field in row if field.strip()] for row in rows]  # two spaces are no empty column
    if _first_counts(columns):
        raise ValueError(
            f"{path}: its first column counts its lines and may be an index or a part of the names: remove it, or give "
            "it a header line such as ',path,label'; only video files are read, listed in two columns"
        )
    if all(len(row) > 2 and _NUMBER.fullmatch(row[-2]) for row in columns):
        raise _frames(path)
    videos = [_video(line, row, layout) for line, row in zip(body, rows, strict=True)]
    _refuse_hidden(path, videos)
    return VideoList(videos, layout.separator, _tolerated(lines, layout, [video.video for video in videos]))


def read_unlabelled(lines: list[Line]) -> tuple[list[Line], list[str]]:
    """The names of a list without class numbers, and in words what else was met and understood.

    Raises:
        ValueError: The quotes of a line are not those of a CSV.
    """
    layout = _Layout(",", has_header=len(lines) > 1 and _column(lines[0].text) in _VIDEO_COLUMNS)
    body = lines[layout.has_header :]
    names = [line._replace(text=",".join(_fields(line, layout)).strip()) for line in body]
    return names, _tolerated(lines, layout, [name.text for name in names])


def _is_labelled(line: str, separator: str) -> bool:
    try:
        *video, label = split_fields(line.strip(), separator)
    except csv.Error:
        return False
    return bool(_NUMBER.fullmatch(label.strip()) and separator.join(video).strip())


def _layout(path: Path, lines: list[Line]) -> _Layout | None:
    """Told by the first line, or by the second if the first is a header."""
    separator = separator_of(lines[0].text)
    if separator is not None:
        return _Layout(separator)
    for separator in _SEPARATORS if len(lines) > 1 else ():
        columns = _columns(lines[0].text, separator)
        if columns[-1] not in _LABEL_COLUMNS or not _is_labelled(lines[1].text, separator):
            continue
        num_index = next(count for count, name in enumerate(columns) if not _INDEX_COLUMN.fullmatch(name))
        named = columns[num_index:]
        if _FRAME_COLUMNS.intersection(named):
            raise _frames(path)
        if len(named) != 2:
            raise ValueError(
                f"{path}: its header names the columns {shown_names(named)}: two are read, that of the video and that "
                "of its class number"
            )
        if "/" not in with_slashes(named[0]) and strip_suffix(named[0]) == named[0]:  # else it is a video
            return _Layout(separator, has_header=True, num_index=num_index)
    return None


def _first_counts(rows: list[list[str]]) -> bool:
    """Whether the first of three or more columns counts the lines, from 0 as pandas does or from 1."""
    return (
        len(rows) > 1
        and all(len(row) > 2 for row in rows)
        and any([row[0] for row in rows] == [str(first + count) for count in range(len(rows))] for first in (0, 1))
    )


def _columns(header: str, separator: str) -> list[str]:
    """Names of the columns of a header; only the first may be empty."""
    try:
        first, *rest = (_column(field) for field in split_fields(header, separator))
    except csv.Error:
        return [""]
    return [first, *filter(None, rest)]


def _column(field: str) -> str:
    return field.strip().strip('"').lower()


def _fields(line: Line, layout: _Layout) -> list[str]:
    """Fields of a line without those of its index."""
    try:
        fields = split_fields(line.text.strip(), layout.separator)
    except csv.Error as error:
        raise ValueError(
            f"{line.place}: its quotes are not those of a CSV, where a quote in a name is doubled: found "
            f"{shown(line.text)}"
        ) from error
    index, fields = fields[: layout.num_index], fields[layout.num_index :]
    if not all(field.strip().isdecimal() for field in index):
        raise _other_form(line, layout)
    return fields


def _video(line: Line, fields: list[str], layout: _Layout) -> LabelledVideo:
    *names, label = fields if fields else [""]
    video = layout.separator.join(names).strip()
    quoted = _QUOTED.match(line.text.strip())
    # of a quoted name no part stands outside its quotes
    if not _NUMBER.fullmatch(label.strip()) or not video or (quoted and sum(map(bool, names)) > 1):
        raise _other_form(line, layout)
    return LabelledVideo(line.place, video, int(label))


def _tolerated(lines: list[Line], layout: _Layout, names: list[str]) -> list[str]:
    found = {
        "quoted fields": any(_QUOTED.match(line.text.strip()) for line in lines),
        "a header line": layout.has_header,
        "a pandas index": layout.num_index > 0,
    }
    return [what for what, is_there in found.items() if is_there] + tolerated_paths(names)


def _refuse_hidden(path: Path, videos: list[LabelledVideo]) -> None:
    hidden = sum(video.label < 0 for video in videos)
    if hidden:
        raise ValueError(
            f"{path}: {hidden} of {len(videos)} labels are -1, which stands for the hidden labels of a test published "
            "without them: use the validation list"
        )


def _frames(path: Path) -> ValueError:
    return ValueError(
        f"{path} lists folders of frames (lines <folder> <number of frames> <class number>): only video files are "
        "read, listed in two columns"
    )


def _other_form(line: Line, layout: _Layout) -> ValueError:
    return ValueError(f"{line.place}: expected '{layout.line}', found {shown(line.text.strip())}")
