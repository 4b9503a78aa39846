"""ActivityNet Captions in the files of its release."""

from typing import ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.json_fields import json_object, strings
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_formats.format import RetrievalFormat
from datamodules.annotations.text_files import shown


class ActivityNetJSON(RetrievalFormat):
    """From each video to its sentences; the time stamps of the sentences are not used."""

    name: ClassVar = "ActivityNet JSON"
    shape: ClassVar = 'an object of videos with "sentences"'

    def recognises(self, content: Content) -> bool:
        """By a record with sentences."""
        return isinstance(content.json, dict) and any(
            isinstance(record, dict) and "sentences" in record for record in content.json.values()
        )

    def read(self, content: Content) -> RetrievalRecords:
        """Sentences of each video."""
        captions = {}
        for video, record in content.json.items():
            place = f"{content.path}, video {shown(video)}"
            captions[video] = strings(place, json_object(place, record, "sentences"), "sentences", blank=True)
        return RetrievalRecords.from_captions(captions.items())
