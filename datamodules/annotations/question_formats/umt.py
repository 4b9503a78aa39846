"""Questions in the JSON of UMT."""

from typing import Any, ClassVar

from datamodules.annotations.question_formats.format import QuestionFormat, single


class UMTQuestions(QuestionFormat):
    """Videos are named by their files."""

    shape: ClassVar = 'UMT JSON (a list of objects with "video", "question" and "answer")'

    def recognises(self, records: list[Any]) -> bool:
        """Any list."""
        return True

    def video(self, place: str, record: dict[str, Any], video_name: str) -> str:
        """The field "video", or "image", which is the older spelling."""
        return single(place, record, "image" if "image" in record and "video" not in record else "video")
