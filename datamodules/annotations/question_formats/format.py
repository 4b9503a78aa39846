"""What a format of questions is: they all are JSON lists, and differ in how a record names its video."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from datamodules.annotations.json_fields import json_object, strings
from datamodules.annotations.question_records import Question


class QuestionFormat(ABC):
    """A format, told by content and never by the name of a file.

    Attributes:
        shape: What it looks like, for messages.
    """

    shape: ClassVar[str]

    @abstractmethod
    def recognises(self, records: list[Any]) -> bool:
        """Whether the records of a list that is not empty are of this format, be they damaged or not."""

    @abstractmethod
    def video(self, place: str, record: dict[str, Any], video_name: str) -> str:
        """The name of the video of a record.

        Args:
            place: File and record, for the error.
            record: The record.
            video_name: Name of a video that is given as a number, ``{}`` standing for the number.

        Raises:
            ValueError: The record names no video, or several.
        """

    def read(self, path: Path, records: list[Any], video_name: str) -> Iterator[tuple[str, Question]]:
        """The video and the question of each record.

        Raises:
            ValueError: A record has not the shape of the format.
        """
        for number, item in enumerate(records, start=1):
            place = f"{path}, record {number} of {len(records)}"
            record = json_object(place, item, "video", "question", "answer")
            text = single(place, record, "question")
            question_id = record.get("question_id", record.get("id"))
            if not isinstance(question_id, int | str):
                question_id = number - 1
            question = Question(text, tuple(strings(place, record, "answer")), question_id)
            yield self.video(place, record, video_name), question


def single(place: str, record: dict[str, Any], key: str) -> str:
    """The one text of a field.

    Raises:
        ValueError: The field is not there, or holds anything else.
    """
    texts = strings(place, record, key)
    if len(texts) != 1:
        raise ValueError(f"{place}: key {key!r} must hold one text, not {len(texts)}")
    return texts[0]
