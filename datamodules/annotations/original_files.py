"""ActivityNet Captions, DiDeMo and LSMDC in the files of their original releases."""

import re
from pathlib import Path
from typing import Any

from datamodules.annotations.json_fields import json_object, strings
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.text_files import shown, split_lines
from datamodules.annotations.video_files import strip_suffix

LSMDC_ROW = re.compile(r"([^\t]+)(?:\t[\d.:]*){4}\t(.+)")
"""Clip id, start and end as aligned and as extracted, sentence; the file is called CSV but has tabs and no quoting."""


def is_activitynet(content: dict[str, Any]) -> bool:
    """Whether a JSON object looks like the captions of ActivityNet."""
    return any(isinstance(record, dict) and "sentences" in record for record in content.values())


def read_activitynet(path: Path, content: dict[str, Any]) -> RetrievalRecords:
    """From each video to its sentences; the time stamps of the sentences are not used.

    Raises:
        ValueError: A record has no sentences.
    """
    captions = {}
    for video, record in content.items():
        place = f"{path}, video {shown(video)}"
        captions[video] = strings(place, json_object(place, record, "sentences"), "sentences", blank=True)
    return RetrievalRecords.from_captions(captions.items())


def is_didemo(content: list[Any]) -> bool:
    """Whether a JSON list looks like the annotation of DiDeMo."""
    return bool(content) and isinstance(content[0], dict) and {"annotation_id", "description"} <= content[0].keys()


def read_didemo(path: Path, content: list[Any]) -> RetrievalRecords:
    """Descriptions of each video in the order of the file, where those of a video lie apart.

    Names that differ in their suffix alone are one upload and stand under the first of them.

    Raises:
        ValueError: A record has no video or no description.
    """
    names: dict[str, str] = {}
    descriptions: dict[str, list[str]] = {}
    for number, record in enumerate(content, start=1):
        place = f"{path}, record {number} of {len(content)}"
        record = json_object(place, record, "video", "description")
        for video in strings(place, record, "video"):
            name = names.setdefault(strip_suffix(video), video)
            descriptions.setdefault(name, []).extend(strings(place, record, "description"))
    return RetrievalRecords.from_captions(descriptions.items())


def read_lsmdc(path: Path, text: str) -> RetrievalRecords:
    """Sentences of each clip, ``<movie>/<clip id>.avi``; the movie is the clip id up to its last underscore.

    Raises:
        ValueError: A row has not the six columns.
    """
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(split_lines(text), start=1):
        if not line.strip():
            continue
        match = LSMDC_ROW.fullmatch(line)
        if not match:
            raise ValueError(
                f"{path}, line {number}: expected a clip id, four times and a sentence, found {shown(line)}"
            )
        clip = match[1].strip()
        captions.setdefault(f"{clip.rpartition('_')[0]}/{clip}.avi", []).append(match[2].strip())
    return RetrievalRecords.from_captions(captions.items())
