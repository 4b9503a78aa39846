import pytest

from vidtldr.page.flips import Outcome, cases_of, compare_all, mcnemar_exact


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 1, 1.0),
        (0, 6, 2 / 64),  # six times the same side of a coin, either side
        (1, 9, 2 * 11 / 1024),
        (9, 1, 2 * 11 / 1024),
    ],
)
def test_p_is_that_of_a_coin(lost: int, gained: int, p: float):
    assert mcnemar_exact(lost, gained) == p


@pytest.mark.parametrize(("lost", "gained"), [(3, 8), (40, 71), (1210, 1100), (9, 27000)])
def test_p_equals_the_binomial_test_of_scipy(lost: int, gained: int):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(min(lost, gained), lost + gained, 0.5).pvalue
    assert mcnemar_exact(lost, gained) == pytest.approx(expected, rel=1e-9)


def recognition(*ranks: int) -> list[dict]:
    return [{"video": f"v{n}", "label": 0, "prediction": rank - 1, "rank": rank} for n, rank in enumerate(ranks)]


def test_lost_and_gained_are_counted_for_each_pair():
    flips = compare_all(cases_of({"base": recognition(1, 1, 1, 2, 2), "mine": recognition(1, 2, 2, 1, 2)}))
    (mine,) = (each for each in flips if (each.method, each.against) == ("mine", "base"))
    assert (mine.lost, mine.gained, mine.both, mine.neither) == (2, 1, 1, 1)
    (base,) = (each for each in flips if (each.method, each.against) == ("base", "mine"))
    assert (base.lost, base.gained) == (1, 2)
    assert mine.p == base.p == mcnemar_exact(2, 1)


def test_samples_are_matched_by_what_they_are_and_not_by_place():
    base = recognition(1, 1, 2)
    mine = list(reversed(recognition(1, 2, 2)[1:]))  # v0 is missing
    cases = cases_of({"base": base, "mine": mine})
    assert [case.video for case in cases] == ["v1", "v2"]
    assert [case.outcomes["mine"].correct for case in cases] == [False, False]


def test_equal_samples_are_matched_in_their_order():
    twice = [{"video": "v", "rank": 1, "prediction": "a"}, {"video": "v", "rank": 2, "prediction": "b"}]
    cases = cases_of({"base": twice, "mine": list(reversed(twice))})
    assert [case.outcomes["mine"].correct for case in cases] == [False, True]


def test_recognition_names_classes_where_it_can():
    numbered = recognition(2)
    (case,) = cases_of({"base": numbered})
    assert (case.truth, case.outcomes["base"]) == ("class 0", Outcome("class 1 (the truth has rank 2)", False))
    (case,) = cases_of({"base": [{**numbered[0], "class": "run", "predicted_class": "fly"}]})
    assert (case.truth, case.outcomes["base"].said) == ("run", "fly (the truth has rank 2)")


def test_question_answering_shows_question_and_answer():
    row = {"video": "v", "id": 7, "question": "what moves?", "answer": "ring", "prediction": "star", "correct": False}
    (case,) = cases_of({"base": [row]})
    assert (case.question, case.truth) == ("what moves?", "ring")
    assert case.outcomes["base"] == Outcome("star", False)


def test_base_to_novel_is_counted_for_each_half_over_all_seeds():
    rows = [
        {"video": "v", "half": half, "seed": seed, "label": 1, "prediction": 1, "rank": 1}
        for half in ("base", "novel")
        for seed in (0, 1)
    ]
    flips = compare_all(cases_of({"base": rows, "mine": rows}))
    assert [(each.kind, each.both) for each in flips[:2]] == [("base classes", 2), ("novel classes", 2)]


def test_retrieval_has_two_directions_and_shows_captions():
    text = {"query": "text", "id": 0, "video": "a.mp4", "caption": "a ring", "rank": 2, "prediction": "b.mp4"}
    other = {"query": "text", "id": 1, "video": "b.mp4", "caption": "a star", "rank": 1, "prediction": "b.mp4"}
    video = {"query": "video", "id": "a.mp4", "video": "a.mp4", "rank": 3, "prediction": 1}
    asked, right, gallery = cases_of({"base": [text, other, video]})
    assert (asked.kind, asked.question, asked.truth) == ("text to video", "a ring", "a.mp4")
    assert asked.outcomes["base"].said == "b.mp4: a star (the truth has rank 2)"
    assert right.outcomes["base"] == Outcome("b.mp4", True)
    assert (gallery.kind, gallery.truth) == ("video to text", "its captions, such as: a ring")
    assert gallery.outcomes["base"].said == "a star (the truth has rank 3)"


def test_retrieval_of_an_older_version_has_no_captions():
    rows = [{"query": "text", "id": 4, "video": "a.mp4", "rank": 1, "prediction": "a.mp4"}]
    (case,) = cases_of({"base": rows})
    assert case.question == "text 4"


def test_samples_that_do_not_tell_what_is_right_give_no_cases():
    assert cases_of({"base": [{"video": "v", "error": 0.3}]}) == []
    assert cases_of({}) == []
    assert compare_all([]) == []
