"""Which schedules there are, and which come closest."""

from itertools import product

import pytest

from vidtldr.errors import UserError
from vidtldr.measuring.flops_analytic import analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import ToMe, VidTLDR
from vidtldr.search.candidates import constant, falling

UMT_B = build_tower("umt_b", num_frames=12)
ZERO_SHOT = build_tower("umt_b", num_frames=4)


def test_the_printed_schedule_is_found_by_its_figure() -> None:
    nearest = falling(UMT_B, VidTLDR()).nearest(178.0, 2)
    assert nearest[0].method == VidTLDR((600, 200, 100))
    assert nearest[0].gflops == analytic_gflops(UMT_B, VidTLDR((600, 200, 100)))
    assert abs(nearest[0].gflops - 178.0) <= abs(nearest[1].gflops - 178.0)


def test_the_constant_of_tome_is_found_by_its_figure() -> None:
    (found,) = constant(UMT_B, ToMe(metric="tokens")).nearest(231.4)
    assert found.method == ToMe(86, metric="tokens")


def test_falling_schedules_are_all_that_there_are() -> None:
    found = falling(ZERO_SHOT, VidTLDR(), layers=3, step=100)
    by_hand = {
        schedule
        for schedule in product(range(0, 400, 100), repeat=3)
        if list(schedule) == sorted(schedule, reverse=True) and any(schedule) and _fits(schedule, 784)
    }
    assert {tuple(schedule) for schedule in found.schedules.tolist()} == by_hand
    assert len(found) == len(by_hand)


def _fits(schedule: tuple[int, ...], tokens: int) -> bool:
    for r in schedule:
        if r > tokens // 2:
            return False
        tokens -= r
    return True


def test_totals_keep_what_reduces_as_many_tokens() -> None:
    found = falling(ZERO_SHOT, VidTLDR(), step=30, totals=(300, 330))
    assert {sum(schedule) for schedule in found.schedules.tolist()} == {300, 330}
    assert found.kind.endswith("300 or 330 in all")


def test_a_budget_keeps_what_costs_no_more() -> None:
    found = falling(ZERO_SHOT, VidTLDR(), step=50)
    kept = found.within(50.0)
    assert 0 < len(kept) < len(found)
    assert kept.gflops.max() <= 50.0 < found.gflops.max()
    assert len(kept) == sum(found[index].gflops <= 50.0 for index in range(len(found)))


def test_equal_rates_in_some_layers_are_no_constant() -> None:
    found = falling(ZERO_SHOT, VidTLDR(), layers=2, step=100, totals=(200,))
    assert [found[index].method.r for index in range(len(found))] == [(200,), (100, 100)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": 13}, "layers=13: the model has 1 to 12"),
        ({"step": 0}, "step=0 is not between 1 and the 1176 tokens"),
        ({"layers": 12, "step": 10}, "schedules are too many to list: take a larger step than 10 or fewer layers"),
    ],
)
def test_what_cannot_be_listed_is_refused(options: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        falling(UMT_B, VidTLDR(), **options)
