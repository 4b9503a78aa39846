"""The JSON lists that UMT distributes for every data set."""

import logging
from typing import ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.json_fields import json_object, strings
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_formats.format import RetrievalFormat

logger = logging.getLogger(__name__)


class UMTJSON(RetrievalFormat):
    """Records of one or several videos with one or several captions."""

    name: ClassVar = "UMT JSON"
    shape: ClassVar = 'a list of objects with "video" and "caption"'

    def recognises(self, content: Content) -> bool:
        """Any list: what is wrong with its records is then said of each."""
        return isinstance(content.json, list)

    def read(self, content: Content) -> RetrievalRecords:
        """Records that name the same video stay apart, as in the published evaluation."""
        records = RetrievalRecords()
        for number, item in enumerate(content.json, start=1):
            place = f"{content.path}, record {number} of {len(content.json)}"
            record = json_object(place, item, "video", "caption")
            key = "image" if "image" in record and "video" not in record else "video"  # "image" is the older spelling
            records.add(strings(place, record, key), strings(place, record, "caption", blank=True))
        repeated = len(records.videos) - len(set(records.videos))
        if repeated:
            said = "%s: %d records name a video that an earlier one names; each counts as a video"
            logger.warning(said, content.path, repeated)
        return records
