"""DiDeMo in the files of its release."""

from typing import ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.json_fields import json_object, strings
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_formats.format import RetrievalFormat
from datamodules.annotations.video_files import strip_suffix


class DiDeMoJSON(RetrievalFormat):
    """Descriptions in the order of the file, where those of a video lie apart.

    Names that differ in their suffix alone are one upload and stand under the first of them.
    """

    name: ClassVar = "DiDeMo JSON"
    shape: ClassVar = 'a list of objects with "annotation_id", "video" and "description"'

    def recognises(self, content: Content) -> bool:
        """By the keys of the first record."""
        records = content.json
        first = records[0] if isinstance(records, list) and records else None
        return isinstance(first, dict) and {"annotation_id", "description"} <= first.keys()

    def read(self, content: Content) -> RetrievalRecords:
        """Descriptions of each video."""
        names: dict[str, str] = {}
        descriptions: dict[str, list[str]] = {}
        for number, record in enumerate(content.json, start=1):
            place = f"{content.path}, record {number} of {len(content.json)}"
            record = json_object(place, record, "video", "description")
            for video in strings(place, record, "video"):
                name = names.setdefault(strip_suffix(video), video)
                descriptions.setdefault(name, []).extend(strings(place, record, "description"))
        return RetrievalRecords.from_captions(descriptions.items())
