"""Questions in the JSON in which MSRVTT-QA and MSVD-QA were published."""

from typing import Any, ClassVar

from datamodules.annotations.question_formats.umt import UMTQuestions


class OriginalJSON(UMTQuestions):
    """Videos are numbered; a record without a number is read as one of UMT."""

    shape: ClassVar = 'the original JSON (a list of objects with a number as "video_id", "question" and "answer")'

    def recognises(self, records: list[Any]) -> bool:
        """By a number in one of the records."""
        return any(isinstance(record, dict) and isinstance(record.get("video_id"), int) for record in records)

    def video(self, place: str, record: dict[str, Any], video_name: str) -> str:
        """The number in the name that videos of the data set have."""
        number = record.get("video_id")
        return video_name.format(number) if isinstance(number, int) else super().video(place, record, video_name)
