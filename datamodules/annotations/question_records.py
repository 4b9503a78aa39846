"""What annotations of question answering are read into."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Question:
    """A question about a video.

    Attributes:
        text: As the annotation writes it.
        answers: As the annotation writes them, at least one; the first is the one that is scored.
        question_id: Unique in its annotation.
    """

    text: str
    answers: tuple[str, ...]
    question_id: int | str


@dataclass
class QuestionRecords:
    """Videos with the questions about each.

    Attributes:
        videos: Names as the annotation writes them, each once, in order of first appearance.
        questions: Questions of each video, in their order.
    """

    videos: list[str] = field(default_factory=list)
    questions: list[list[Question]] = field(default_factory=list)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, Question]]) -> "QuestionRecords":
        """Bring the questions about a video together; rows without unique ids get their position as id."""
        rows = list(rows)
        if len({question.question_id for _, question in rows}) < len(rows):
            rows = [(video, replace(question, question_id=position)) for position, (video, question) in enumerate(rows)]
        of_video: dict[str, list[Question]] = {}
        for video, question in rows:
            of_video.setdefault(video, []).append(question)
        return cls(list(of_video), list(of_video.values()))

    @property
    def num_questions(self) -> int:
        """Questions about all videos."""
        return sum(map(len, self.questions))

    def keep(self, positions: Iterable[int]) -> "QuestionRecords":
        """The records of some videos, in their old order."""
        kept = sorted(set(positions))
        return QuestionRecords([self.videos[old] for old in kept], [self.questions[old] for old in kept])


def most_frequent_answers(questions: Sequence[Sequence[Question]], number: int) -> list[str]:
    """The answers that are given most often, by falling frequency and then by the alphabet."""
    counts = Counter(answer for of_video in questions for question in of_video for answer in question.answers)
    return sorted(counts, key=lambda answer: (-counts[answer], answer))[:number]
