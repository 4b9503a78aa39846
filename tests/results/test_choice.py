"""The samples that methods differ most in, chosen from rows as tasks write them."""

from vidtldr.results.choice import Chosen, most_different


def recognised(*ranks: int) -> list[dict]:
    return [
        {"video": f"v{number}", "rank": rank, "prediction": 0 if rank == 1 else rank}
        for number, rank in enumerate(ranks)
    ]


def videos(chosen: list[Chosen]) -> list[str]:
    return [each.video for each in chosen]


def test_flips_come_first_then_other_predictions_then_distant_ranks() -> None:
    base = recognised(1, 9, 3, 2, 1)
    samples = {"base": base, "tome": recognised(1, 9, 3, 2, 4), "vidtldr": recognised(1, 9, 5, 1, 2)}
    assert videos(most_different(samples, "base", 3)) == ["v4", "v3", "v2"]  # flipped by both, by one, by none
    assert videos(most_different(samples, "base", 9)) == ["v4", "v3", "v2", "v0", "v1"]


def test_of_equal_predictions_the_ranks_decide() -> None:
    def rows(*ranks: int) -> list[dict]:
        return [{"video": f"v{number}", "rank": rank, "prediction": "x"} for number, rank in enumerate(ranks)]

    assert videos(most_different({"base": rows(2, 2, 2), "tome": rows(4, 9, 3)}, "base", 3)) == ["v1", "v0", "v2"]


def test_it_is_the_baseline_that_others_are_held_against() -> None:
    samples = {"base": recognised(1, 1), "tome": recognised(1, 3), "vidtldr": recognised(1, 3)}
    assert videos(most_different(samples, "base", 1)) == videos(most_different(samples, "tome", 1)) == ["v1"]


def test_a_video_comes_once_with_the_sample_that_differs_most() -> None:
    def questions(*answers: bool) -> list[dict]:
        return [
            {"video": f"v{number // 2}", "id": number, "correct": right, "prediction": str(right)}
            for number, right in enumerate(answers)
        ]

    samples = {"base": questions(True, True, True, True), "tome": questions(True, False, False, False)}
    assert most_different(samples, "base", 5) == [Chosen(1, "v0"), Chosen(2, "v1")]


def test_the_two_directions_of_retrieval_are_not_mixed_up() -> None:
    def rows(text: int, video: int) -> list[dict]:
        return [
            {"query": "text", "id": 0, "video": "a", "rank": text, "prediction": "a"},
            {"query": "video", "id": "a", "video": "a", "rank": video, "prediction": 0},
        ]

    assert most_different({"base": rows(1, 2), "tome": rows(1, 1)}, "base", 1) == [Chosen("a", "a")]


def test_seeds_of_one_video_add_up() -> None:
    def rows(*ranks: tuple[int, int]) -> list[dict]:
        return [
            {"video": f"v{number}", "seed": seed, "rank": rank, "prediction": "x"}
            for number, both in enumerate(ranks)
            for seed, rank in enumerate(both)
        ]

    samples = {"base": rows((1, 1), (1, 1)), "tome": rows((1, 1), (1, 2))}
    assert videos(most_different(samples, "base", 1)) == ["v1"]


def test_one_method_alone_shows_the_first_videos() -> None:
    assert videos(most_different({"base": recognised(3, 1, 2)}, "base", 2)) == ["v0", "v1"]


def test_samples_that_tell_no_outcome_are_taken_in_their_order() -> None:
    rows = [{"video": "a", "right": True}, {"video": "b", "right": False}]
    assert videos(most_different({"base": rows, "tome": rows[::-1]}, "base", 2)) == ["a", "b"]
