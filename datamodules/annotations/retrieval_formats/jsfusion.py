"""The 1k-A test of MSR-VTT as JSFusion distributes it."""

import csv
import io
from typing import ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_formats.format import RetrievalFormat
from datamodules.annotations.text_files import shown

_HEADER = ["key", "vid_key", "video_id", "sentence"]


class JSFusionCSV(RetrievalFormat):
    """A caption a row."""

    name: ClassVar = "JSFUSION CSV"
    shape: ClassVar = f"header {','.join(_HEADER)}"

    def recognises(self, content: Content) -> bool:
        """By its header."""
        return [column.strip().lower() for column in "".join(content.lines[:1]).split(",")] == _HEADER

    def read(self, content: Content) -> RetrievalRecords:
        """Captions of each video, in the order of the rows."""
        rows = csv.reader(io.StringIO(content.text.lstrip(), newline=""), skipinitialspace=True)
        captions: dict[str, list[str]] = {}
        try:
            next(rows)
            for row in filter(any, rows):
                if len(row) != len(_HEADER) or not row[2].strip():
                    raise ValueError(
                        f"{content.path}, line {rows.line_num}: expected {','.join(_HEADER)}, found "
                        f"{shown(','.join(row))}"
                    )
                captions.setdefault(row[2].strip(), []).append(row[3])
        except csv.Error as error:
            raise ValueError(f"{content.path}, line {rows.line_num}: {error}") from error
        return RetrievalRecords.from_captions(captions.items())
