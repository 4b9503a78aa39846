"""Retrieval annotations in the formats in which they circulate, told apart by content and never by file name."""

import csv
import io
import logging
import re
from pathlib import Path
from typing import Any

from datamodules.annotations.foreign_paths import described, tolerated_paths
from datamodules.annotations.json_fields import json_object, strings
from datamodules.annotations.msvd_files import (
    caption_lines,
    looks_like_pickle,
    read_all_descriptions,
    read_caption_pickle,
)
from datamodules.annotations.original_files import (
    LSMDC_ROW,
    is_activitynet,
    is_didemo,
    read_activitynet,
    read_didemo,
    read_lsmdc,
)
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.text import pre_text
from datamodules.annotations.text_files import json_value, shown, shown_names, split_lines

logger = logging.getLogger(__name__)

ACCEPTED_FORMATS = (
    'UMT JSON (a list of objects with "video" and "caption")',
    "JSFUSION CSV (header key,vid_key,video_id,sentence)",
    "MSVD sentences (lines vidN<TAB>sentence)",
    "MSVD descriptions (lines <clip id> <sentence>, with <split>_list.txt beside them)",
    "MSVD pickle (clip id -> list of token lists, with <split>_list.txt beside it)",
    'ActivityNet JSON (an object of videos with "sentences")',
    'DiDeMo JSON (a list of objects with "annotation_id", "video" and "description")',
    "LSMDC rows (six columns parted by tabs: clip id, four times, sentence)",
)

_CSV_HEADER = ["key", "vid_key", "video_id", "sentence"]
_SENTENCE_LINE = re.compile(r"(vid\d+)\t(.*)")
_DESCRIPTION_LINE = re.compile(r"(\S+_\d+_\d+)\s(.*)")


def read_annotation(path: str | Path, split: str = "test", *, paragraphs: bool = False) -> RetrievalRecords:
    """Read a retrieval annotation, whatever its format.

    Args:
        path: Annotation file.
        split: Part of the dataset, for formats that hold all of it and name the parts in ``<split>_list.txt``.
        paragraphs: Join the captions of a record into one; otherwise each of them is a text of its own.

    Raises:
        FileNotFoundError: There is no such file, or no list of the split beside it.
        ValueError: The format is not accepted, or a record has not the shape of its format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no annotation file {path}")
    content = path.read_bytes()
    if looks_like_pickle(content):
        name, records = "MSVD pickle", read_caption_pickle(path, content, split)
    else:
        name, records = _read_text(path, _decoded(path, content), split)
    if not records.videos:
        raise ValueError(f"{path} holds no record ({name})")
    if paragraphs:
        records = records.paragraphs()
    name = described(name, tolerated_paths(records.videos))
    logger.info("%s: read as %s, %d videos, %d texts", path, name, len(records.videos), len(records.texts))
    empty = sum(not pre_text(text) for text in records.texts)
    if empty:
        logger.warning("%s: %d captions are empty once cleaned; each stays a query", path, empty)
    return records


def _read_text(path: Path, text: str, split: str) -> tuple[str, RetrievalRecords]:
    if text.lstrip()[:1] in ("[", "{"):
        return _read_json(path, text)
    lines = [line for line in split_lines(text) if line.strip()]
    first = lines[0] if lines else ""
    if [column.strip().lower() for column in first.split(",")] == _CSV_HEADER:
        return "JSFUSION CSV", _read_csv(path, text)
    if LSMDC_ROW.fullmatch(first):
        return "LSMDC rows", read_lsmdc(path, text)
    captions = next((line for line in lines if not line.startswith("#")), "")
    if _SENTENCE_LINE.fullmatch(captions):
        return "MSVD sentences", RetrievalRecords.from_captions(caption_lines(path, text, _SENTENCE_LINE).items())
    if _DESCRIPTION_LINE.fullmatch(captions):
        return "MSVD descriptions", read_all_descriptions(path, caption_lines(path, text, _DESCRIPTION_LINE), split)
    raise _unknown(path, f"its first line is {shown(first)}" if first else "it is empty")


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")  # drops a byte order mark
    except UnicodeDecodeError as error:
        raise _unknown(path, f"it is not UTF-8 text (byte {error.start})") from error


def _unknown(path: Path, finding: str) -> ValueError:
    return ValueError(f"{path} is in no known format: {finding}; accepted are {'; '.join(ACCEPTED_FORMATS)}")


def _read_json(path: Path, text: str) -> tuple[str, RetrievalRecords]:
    content = _parsed(path, text)
    if isinstance(content, list):
        if is_didemo(content):
            return "DiDeMo JSON", read_didemo(path, content)
        return "UMT JSON", _read_umt(path, content)
    if is_activitynet(content):
        return "ActivityNet JSON", read_activitynet(path, content)
    if {"videos", "sentences"} <= content.keys() or "annotations" in content:
        raise ValueError(
            f"{path} is an MSR-VTT JSON, which holds some 20 captions of every video: which of them the 1k-A test uses "
            "is told only by MSRVTT_JSFUSION_test.csv or msrvtt_ret_test1k.json, so give one of these"
        )
    raise _unknown(path, f"it is a JSON dict with the keys {shown_names(content)}")


def _parsed(path: Path, text: str) -> Any:
    try:
        return json_value(text)
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def _read_umt(path: Path, content: list[Any]) -> RetrievalRecords:
    records = RetrievalRecords()
    for number, record in enumerate(content, start=1):
        _add_umt_record(records, f"{path}, record {number} of {len(content)}", record)
    repeated = len(records.videos) - len(set(records.videos))
    if repeated:
        # kept apart for parity with the published evaluation
        logger.warning("%s: %d records name a video that an earlier one names; each counts as a video", path, repeated)
    return records


def _add_umt_record(records: RetrievalRecords, place: str, record: Any) -> None:
    record = json_object(place, record, "video", "caption")
    key = "image" if "image" in record and "video" not in record else "video"  # "image" is the older spelling
    videos = strings(place, record, key)
    records.add(videos, strings(place, record, "caption", blank=True))


def _read_csv(path: Path, text: str) -> RetrievalRecords:
    rows = csv.reader(io.StringIO(text.lstrip(), newline=""), skipinitialspace=True)
    captions: dict[str, list[str]] = {}
    try:
        next(rows)
        for row in rows:
            if not any(row):
                continue
            if len(row) != len(_CSV_HEADER) or not row[2].strip():
                raise ValueError(
                    f"{path}, line {rows.line_num}: expected {','.join(_CSV_HEADER)}, found {shown(','.join(row))}"
                )
            captions.setdefault(row[2].strip(), []).append(row[3])
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.line_num}: {error}") from error
    return RetrievalRecords.from_captions(captions.items())
