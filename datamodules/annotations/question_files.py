"""Annotations of question answering and lists of answers, told apart by content."""

import logging
from pathlib import Path
from typing import Any

from datamodules.annotations.foreign_paths import described, tolerated_paths
from datamodules.annotations.question_formats import FORMATS
from datamodules.annotations.question_records import QuestionRecords
from datamodules.annotations.text_files import is_text, json_value, read_utf8

logger = logging.getLogger(__name__)

ACCEPTED_FORMATS = tuple(accepted.shape for accepted in reversed(FORMATS))  # the usual one first


def read_questions(path: str | Path, video_name: str) -> QuestionRecords:
    """Read an annotation of question answering.

    Args:
        path: Annotation file.
        video_name: Name of a video of the original format, ``{}`` standing for its number.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The format is not accepted, or a record has not the shape of its format.
    """
    path = Path(path)
    content = _read_list(path, "in no known format of questions", "; ".join(ACCEPTED_FORMATS))
    if not content:
        raise ValueError(f"{path} holds no question")
    if all(isinstance(record, str) for record in content):
        raise ValueError(f"{path} is a list of answers, not of questions; accepted are {'; '.join(ACCEPTED_FORMATS)}")
    found = next(known for known in FORMATS if known.recognises(content))  # the last takes every list
    records = QuestionRecords.from_rows(found.read(path, content, video_name))
    videos = described("videos", tolerated_paths(records.videos))
    logger.info("%s: %d questions about %d %s", path, records.num_questions, len(records.videos), videos)
    return records


def read_answer_list(path: str | Path) -> list[str]:
    """Read a list of answers; they are used as they stand.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no JSON list of texts.
    """
    path = Path(path)
    wanted = 'a list of texts such as ["man", "woman"]'
    answers = _read_list(path, "no list of answers", wanted)
    if not answers or not all(is_text(answer) and answer.strip() for answer in answers):
        raise ValueError(f"{path} is no list of answers: it must be {wanted}")
    if len(set(answers)) < len(answers):
        logger.warning("%s: %d answers stand there twice", path, len(answers) - len(set(answers)))
    return answers


def _read_list(path: Path, complaint: str, wanted: str) -> list[Any]:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    text = read_utf8(path)
    try:
        content = json_value(text)
    except ValueError as error:
        raise ValueError(f"{path} is {complaint}: it is not valid JSON ({error}); accepted is {wanted}") from error
    if not isinstance(content, list):
        raise ValueError(f"{path} is {complaint}: it is a JSON {type(content).__name__}; accepted is {wanted}")
    return content
