import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidtldr.metrics import AnswerAccuracy

ANSWERS = ["red", "star", "two"]
QUESTIONS = ["what color is it", "what is red", "how many are there", "is it red"]


def values(metric: AnswerAccuracy) -> dict[str, float]:
    return {name: value.item() for name, value in metric.compute().items()}


def test_an_answer_is_right_only_letter_by_letter() -> None:
    metric = AnswerAccuracy(ANSWERS)
    metric.update(["red", "star", "two", "red"], ["red", "Star", "two ", "a red"], QUESTIONS)
    assert values(metric) == {"accuracy": 25.0, "oov": 75.0}


def test_an_answer_outside_the_list_counts_as_wrong_and_in_oov() -> None:
    metric = AnswerAccuracy(ANSWERS)
    metric.update(["red", "red"], ["red", "ball"], QUESTIONS[:2])
    assert values(metric) == {"accuracy": 50.0, "oov": 50.0}


def test_first_words_have_their_own_accuracy_and_only_if_they_occurred() -> None:
    metric = AnswerAccuracy(ANSWERS, first_words=["what", "who", "how"])
    metric.update(["red", "star", "two", "red"], ["red", "red", "two", "two"], QUESTIONS)
    assert values(metric) == {"accuracy": 50.0, "oov": 0.0, "what": 50.0, "how": 100.0}


def test_only_a_whole_first_word_counts() -> None:
    metric = AnswerAccuracy(ANSWERS, first_words=["what"])
    metric.update(["red", "red"], ["red", "star"], ["whatever is it", "what"])
    assert values(metric)["what"] == 0.0


def test_no_question_and_lists_of_different_lengths_are_refused() -> None:
    metric = AnswerAccuracy(ANSWERS)
    with pytest.raises(ValueError, match=r"update\(\) has seen none"):
        metric.compute()
    with pytest.raises(ValueError, match=r"shorter|longer"):
        metric.update(["red"], ["red", "star"], QUESTIONS[:2])


@given(st.lists(st.tuples(st.sampled_from(ANSWERS), st.sampled_from([*ANSWERS, "ball"]), st.sampled_from(QUESTIONS))))
def test_counters_of_parts_add_up_to_those_of_the_whole(rows: list[tuple[str, str, str]]) -> None:
    whole, *parts = (AnswerAccuracy(ANSWERS, ["what", "how"]) for _ in range(4))
    if rows:
        whole.update(*(list(side) for side in zip(*rows, strict=True)))
    for rank, part in enumerate(parts):  # as a sampler without padding shares them out
        mine = rows[rank :: len(parts)]
        if mine:
            part.update(*(list(side) for side in zip(*mine, strict=True)))
    for name in ("correct", "questions", "outside"):
        assert torch.equal(sum(getattr(part, name) for part in parts), getattr(whole, name))
    if rows:
        assert values(whole)["accuracy"] == pytest.approx(100 * sum(p == a for p, a, _ in rows) / len(rows))
