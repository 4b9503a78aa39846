"""The demo set for question answering: videos of plain objects, asked about in UMT's format for MSVD-QA."""

import json
from typing import Any, ClassVar

from datamodules.demo.pictures.scenes import PLAIN
from datamodules.demo.sets.retrieval import RetrievalSet, video_name
from datamodules.demo.words.questions import answer_list, make_questions

QUESTIONS_VERSION = 1  # raise it whenever a question or an answer changes
ANSWER_LIST_NAME = "msvd_qa_answer_list.json"


class QuestionSet(RetrievalSet):
    """Videos of one or two plain objects, with questions."""

    manifest: ClassVar = "demo_vqa.json"
    style: ClassVar = PLAIN
    version: ClassVar = 1

    def stamp(self, split: str, num_videos: int) -> dict[str, Any]:
        """That of the videos, and the version of the questions."""
        return super().stamp(split, num_videos) | {"questions_version": QUESTIONS_VERSION}

    def texts(self, split: str, index: int) -> list[str]:
        """Three questions with their answers."""
        return [f"{question} {answer}" for question, answer in make_questions(self.scene(split, index))[:3]]

    def lists(self, split: str, num_videos: int) -> dict[str, str]:
        """One record for each question."""
        records: list[dict[str, Any]] = []
        for index in range(num_videos):
            for question, answer in make_questions(self.scene(split, index)):
                record = {"video": video_name(split, index), "question": question, "answer": answer}
                records.append(record | {"question_id": len(records)})
        return {question_file_name(split): json.dumps(records, indent=1) + "\n"}

    def tables(self) -> dict[str, str]:
        """The list of answers."""
        return {ANSWER_LIST_NAME: json.dumps(answer_list(), indent=1) + "\n"}


QUESTIONS = QuestionSet()


def question_file_name(split: str) -> str:
    """Name of the questions of a split, as MSVD-QA's are called."""
    return f"msvd_qa_{split}.json"
