"""Accuracy of open-ended question answering over a closed list of answers."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


class AnswerAccuracy(Metric):
    """Share of questions whose predicted answer equals the true one, letter by letter.

    A true answer outside the list can never be right; such questions count as wrong and their share is ``oov``, so that
    ``100 - oov`` is the best possible accuracy.

    Args:
        answers: The list that predictions come from.
        first_words: First words of questions that get an accuracy of their own.
        kwargs: Options of ``torchmetrics.Metric``.

    Example:
        >>> accuracy = AnswerAccuracy(["red", "star"], first_words=["what", "who"])
        >>> accuracy.update(["red", "star"], ["red", "ball"], ["what color is it", "which one"])
        >>> {name: value.item() for name, value in accuracy.compute().items()}
        {'accuracy': 50.0, 'oov': 50.0, 'what': 100.0}
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    correct: Tensor
    questions: Tensor
    outside: Tensor

    def __init__(self, answers: Sequence[str], first_words: Sequence[str] = (), **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._answers = frozenset(answers)
        self._rows = {word: row for row, word in enumerate(dict.fromkeys(first_words))}
        for name in ("correct", "questions"):  # the last row is for all other first words
            self.add_state(name, torch.zeros(len(self._rows) + 1, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("outside", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, predicted: Sequence[str], answers: Sequence[str], questions: Sequence[str]) -> None:
        """Count some questions.

        Args:
            predicted: Predicted answers.
            answers: True answers.
            questions: The questions, cleaned.

        Raises:
            ValueError: The three differ in length.
        """
        for guess, answer, question in zip(predicted, answers, questions, strict=True):
            row = self._rows.get(question.split(" ", 1)[0], len(self._rows))
            self.questions[row] += 1
            self.correct[row] += guess == answer
            self.outside += answer not in self._answers

    def compute(self) -> dict[str, Tensor]:
        """``accuracy``, ``oov`` and one for each first word that occurred, in percent, float64.

        Raises:
            ValueError: No question was counted.
        """
        total = self.questions.sum()
        if not total:
            raise ValueError("accuracy of no questions is undefined: update() has seen none")
        scores = {"accuracy": 100.0 * self.correct.sum().double() / total, "oov": 100.0 * self.outside.double() / total}
        for word, row in self._rows.items():
            if self.questions[row]:
                scores[word] = 100.0 * self.correct[row].double() / self.questions[row]
        return scores
