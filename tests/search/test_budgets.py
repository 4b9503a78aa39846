"""What a budget allows, and which of the schedules that use it up are picked."""

import pytest

from vidtldr.errors import UserError
from vidtldr.measuring.flops_analytic import analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import ToMe, VidTLDR
from vidtldr.search.budgets import Budget, close_under, schedules

UMT_B = build_tower("umt_b", num_frames=12)
LISTED = schedules(UMT_B, VidTLDR(), layers=4, step=None)


@pytest.mark.parametrize(("text", "limit"), [("0.7x", 210.0), (".5x", 150.0), ("178", 178.0), ("178.0", 178.0)])
def test_a_budget_is_a_number_or_a_share_of_base(text: str, limit: float) -> None:
    assert Budget.parse(text).over(300.0) == pytest.approx(limit)


@pytest.mark.parametrize("text", ["", "x", "0", "0x", "-3", "70%", "1e3", "0.7 x"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"write a number such as 178, or a share of what base costs such as 0\.7x"):
        Budget.parse(text)


@pytest.mark.parametrize("count", [2, 5, 16])
def test_picks_use_the_budget_up_and_are_no_more_than_wanted(count: int) -> None:
    picks = close_under(LISTED, 178.0, slack=0.02, count=count)
    assert len(picks) == count
    assert len({pick.method for pick in picks}) == count
    for pick in picks:
        assert 0.98 * 178.0 <= pick.gflops <= 178.0
        assert pick.gflops == analytic_gflops(UMT_B, pick.method)


def test_picks_lead_from_early_to_late_and_hold_the_dearest_constant() -> None:
    *lists, constant = [pick.method.r for pick in close_under(LISTED, 178.0, slack=0.02, count=8)]
    assert lists == sorted(lists, reverse=True)
    assert lists[0][0] > 2 * lists[-1][0]
    assert isinstance(constant, int)
    assert analytic_gflops(UMT_B, VidTLDR(constant)) <= 178.0 < analytic_gflops(UMT_B, VidTLDR(constant - 1))


def test_a_budget_that_nothing_uses_up_is_refused() -> None:
    with pytest.raises(UserError, match=r"no schedule costs 400 to 1000 GFLOPs: try another budget"):
        close_under(LISTED, 1000.0, slack=0.6, count=4)
    with pytest.raises(UserError, match=r"no schedule costs .* a larger --slack or a smaller --step"):
        close_under(LISTED, 178.0, slack=1e-7, count=4)


def test_steps_grow_with_the_model_and_layers_do_not_exceed_it() -> None:
    small = build_tower("umt_b", num_frames=2, image_size=32)  # 4 tokens
    falling, _ = schedules(small, ToMe(), layers=20, step=None)
    assert falling.schedules.shape[1] == 12
    assert "multiples of 49 over the first 4 layers" in LISTED[0].kind
