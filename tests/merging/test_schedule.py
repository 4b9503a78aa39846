import pytest

from vidtldr.merging import parse_schedule
from vidtldr.merging.schedule import tokens_to_merge


def test_a_scalar_means_every_layer_and_a_list_the_first_layers() -> None:
    assert parse_schedule(8, 3) == (8, 8, 8)
    assert parse_schedule([600, 200], 4) == (600, 200, 0, 0)
    assert parse_schedule([0.5, 0.25, 10], 3) == (0.5, 0.25, 10)
    assert parse_schedule([5, 5, 0, 0], 2) == (5, 5)  # zeros beyond the last layer do no harm
    assert parse_schedule(3.0, 1) == (3,)


def test_one_is_one_token_and_below_one_is_a_share_rounded_down() -> None:
    assert tokens_to_merge(1, 100) == 1
    assert tokens_to_merge(0.3, 128) == 38
    assert tokens_to_merge(0.05, 15) == 0


@pytest.mark.parametrize(
    ("r", "message"),
    [
        (-1, "r=-1 in every layer is not a whole number of tokens >= 0 or a share below 1"),
        ([3, 2.5], "r=2.5 at layer 2 is not .*: a count has no fraction"),
        ([3, float("nan")], "r=nan at layer 2"),
        ([True], "r=True at layer 1"),
        ("all", "r='all' in every layer"),
        ([1, 2, 3], "r lists 3 layers, but the model has 2"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(r: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_schedule(r, 2)
