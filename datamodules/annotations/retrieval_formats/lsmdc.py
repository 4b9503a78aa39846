"""LSMDC in the files of its challenge, which are called CSV but have tabs and no quoting."""

import re
from typing import ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_formats.format import RetrievalFormat
from datamodules.annotations.text_files import shown, split_lines

_ROW = re.compile(r"([^\t]+)(?:\t[\d.:]*){4}\t(.+)")
"""Clip id, start and end as aligned and as extracted, sentence."""


class LSMDCRows(RetrievalFormat):
    """A sentence a row."""

    name: ClassVar = "LSMDC rows"
    shape: ClassVar = "six columns parted by tabs: clip id, four times, sentence"

    def recognises(self, content: Content) -> bool:
        """By the first row."""
        return _ROW.fullmatch("".join(content.lines[:1])) is not None

    def read(self, content: Content) -> RetrievalRecords:
        """Sentences of each clip, ``<movie>/<clip id>.avi``; the movie is the clip id up to its last underscore."""
        captions: dict[str, list[str]] = {}
        for number, line in enumerate(split_lines(content.text), start=1):
            if not line.strip():
                continue
            match = _ROW.fullmatch(line)
            if not match:
                raise ValueError(
                    f"{content.path}, line {number}: expected a clip id, four times and a sentence, found {shown(line)}"
                )
            clip = match[1].strip()
            captions.setdefault(f"{clip.rpartition('_')[0]}/{clip}.avi", []).append(match[2].strip())
        return RetrievalRecords.from_captions(captions.items())
