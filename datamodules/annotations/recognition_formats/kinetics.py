"""Kinetics in the tables of its release and of CVDF: clips of YouTube videos by class, id and seconds."""

import csv
import io
import re
from typing import ClassVar

from datamodules.annotations.class_numbering import numbered_by_name
from datamodules.annotations.content import Content
from datamodules.annotations.recognition_formats.format import RecognitionFormat
from datamodules.annotations.records import RecognitionRecords
from datamodules.annotations.text_files import shown, split_lines

_COLUMNS = ("youtube_id", "time_start", "time_end")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECONDS = re.compile(r"([0-9]{1,6})(?:\.0*)?")
_PARTS = {"train": ("train",), "test": ("validate", "validation", "val", "test")}
"""How the column ``split`` calls a part, the preferred name first: the test is published without classes."""


class KineticsCSV(RecognitionFormat):
    """A clip is named ``<class>/<id>_<start>_<end>``, seconds in six digits, as its files are."""

    shapes: ClassVar = ('Kinetics CSV (a header with "label", "youtube_id", "time_start" and "time_end")',)

    def recognises(self, content: Content) -> bool:
        """By its header."""
        return not content.is_json and {"youtube_id", "time_start"} <= set(_header(content))

    def read(self, content: Content) -> tuple[str, RecognitionRecords]:
        """The rows of one part, where the column ``split`` names several."""
        header = _header(content)
        if "label" not in header:
            raise ValueError(
                f"{content.path} has no labels: the test part of Kinetics is published without them, results are "
                "reported on validation"
            )
        rows = _rows(content, header)
        if not rows:
            raise ValueError(f"{content.path} holds no record: it has a header only")
        chosen = _part(content, rows)
        videos = [_video(content, number, row) for number, row in chosen]
        classes = [row["label"] for _, row in chosen]
        return "Kinetics CSV", numbered_by_name(content, videos, classes, [row["label"] for _, row in rows])


def _header(content: Content) -> list[str]:
    return [column.strip().strip('"').lower() for column in (content.lines or [""])[0].split(",")]


def _rows(content: Content, header: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Line and fields of each row."""
    missing = [column for column in _COLUMNS if column not in header]
    if missing:
        raise ValueError(f"{content.path}: its header has no column {missing[0]!r}")
    reader = csv.reader(io.StringIO("\n".join(split_lines(content.text)), newline=""), strict=True)
    rows = []
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(header):
                raise ValueError(
                    f"{content.path}, line {reader.line_num}: expected the {len(header)} columns of its header, found "
                    f"{len(fields)}"
                )
            rows.append((reader.line_num, dict(zip(header, (field.strip() for field in fields), strict=True))))
    except csv.Error as error:
        raise ValueError(f"{content.path}, line {reader.line_num}: {error}") from error
    return rows[1:]


def _part(content: Content, rows: list[tuple[int, dict[str, str]]]) -> list[tuple[int, dict[str, str]]]:
    there = {row.get("split", "").lower() for _, row in rows}
    if len(there) == 1:
        return rows
    wanted = next((name for name in _PARTS.get(content.split, ()) if name in there), None)
    if wanted is None:
        raise ValueError(
            f"{content.path}: no row is of the part {content.split!r}, only of {', '.join(map(shown, sorted(there)))}"
        )
    return [(line, row) for line, row in rows if row["split"].lower() == wanted]


def _video(content: Content, line: int, row: dict[str, str]) -> str:
    start, end = (_SECONDS.fullmatch(row[column]) for column in ("time_start", "time_end"))
    if not row["label"] or start is None or end is None or not _ID.fullmatch(row["youtube_id"]):
        found = ",".join(row[column] for column in ("label", *_COLUMNS))
        raise ValueError(
            f"{content.path}, line {line}: expected a class, the id of a YouTube video and two whole seconds, found "
            f"{shown(found)}"
        )
    return f"{row['label']}/{row['youtube_id']}_{int(start[1]):06}_{int(end[1]):06}"
