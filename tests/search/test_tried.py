"""The candidates of a search, by formula and by a clock that is made up."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from vidtldr.errors import UserError
from vidtldr.measuring.flops_analytic import analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import Method, VidTLDR
from vidtldr.search.budgets import Budget
from vidtldr.search.tried import Choice, Tried, by_gflops, by_latency, kept, methods_of

UMT_B = build_tower("umt_b", num_frames=12)
OWN = VidTLDR((600, 200, 100))
BASE = analytic_gflops(UMT_B)


def choice(*budgets: str, method: Method = OWN, count: int = 6, slack: float = 0.03) -> Choice:
    parsed = tuple(map(Budget.parse, budgets))
    return Choice("vidtldr", parsed, count=count, slack=slack, layers=4, step=None, method=method)


def test_the_schedule_of_the_config_is_tried_where_the_budget_allows_it() -> None:
    near, far = by_gflops(choice("180", "0.4x"), UMT_B)
    assert near["vidtldr-r600-200-100"] == Tried((600, 200, 100), analytic_gflops(UMT_B, OWN))
    assert len(near) == 7
    assert "vidtldr-r600-200-100" not in far
    assert len(far) == 6
    assert all(0.97 * 0.4 * BASE <= tried.gflops <= 0.4 * BASE for tried in far.values())


def test_candidates_keep_the_other_options_of_the_method() -> None:
    wanted = choice("0.6x", method=replace(OWN, sharpening=False))
    methods = methods_of(wanted, by_gflops(wanted, UMT_B))
    assert all(method == VidTLDR(method.r, sharpening=False) for method in methods.values())


def clock(methods: Mapping[str, Method]) -> dict[str, float]:
    """Milliseconds that grow with GFLOPs, and with the number of layers that merge."""
    return {
        name: 3 + 0.05 * analytic_gflops(UMT_B, method) + 0.1 * sum(r > 0 for r in method.schedule(UMT_B.depth))
        for name, method in methods.items()
    }


def test_a_budget_in_milliseconds_is_kept_by_the_clock() -> None:
    (group,) = by_latency(choice("12.0", slack=0.05), UMT_B, clock)
    assert 1 <= len(group) <= 6
    for name, method in methods_of(choice("12.0"), [group]).items():
        assert group[name].milliseconds == clock({"it": method})["it"]
        assert 0.85 * 12.0 <= group[name].milliseconds <= 12.0
        assert group[name].gflops == analytic_gflops(UMT_B, method)


def test_a_share_of_base_is_one_of_its_time() -> None:
    (group,) = by_latency(choice("0.7x", slack=0.05), UMT_B, clock)
    limit = 0.7 * clock({"base": VidTLDR(0)})["base"]
    assert all(tried.milliseconds <= limit for tried in group.values())


def test_a_time_that_nothing_keeps_to_is_refused() -> None:
    with pytest.raises(UserError, match=r"none keeps to 1 ms a clip: the cheapest schedule takes [\d.]+, base [\d.]+"):
        by_latency(choice("1"), UMT_B, clock)


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    first = kept(tmp_path / "candidates.json", lambda: by_latency(choice("12.0", slack=0.05), UMT_B, clock))
    again = kept(tmp_path / "candidates.json", lambda: pytest.fail("measured again"))
    assert again == first
