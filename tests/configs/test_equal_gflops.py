"""The configs that compare methods at equal GFLOPs keep their word."""

import pytest

from vidtldr.cli.paths import config_names
from vidtldr.cost.of_config import config_gflops

COMPARISONS = [name for name in config_names() if name.endswith("_methods.yaml")]


@pytest.mark.parametrize("name", COMPARISONS)
def test_every_method_costs_what_vidtldr_costs_within_a_percent(name):
    counted = {method: gflops for method, (_, gflops) in config_gflops([name]).items()}
    base, target = counted.pop("base"), counted["vidtldr"]
    assert len(counted) >= 12
    assert target < 0.7 * base
    assert {method: gflops for method, gflops in counted.items() if abs(gflops / target - 1) > 0.01} == {}


def test_there_is_one_for_each_demo():
    demos = {f"demo{demo}_methods.yaml" for demo in ("", "_vqa", "_recognition", "_base2novel")}
    assert set(COMPARISONS) == demos
