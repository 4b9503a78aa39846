"""Costs of many schedules at once equal the formula for one, to the digit."""

import numpy as np
import pytest

from vidtldr.measuring.flops_analytic import Tower, analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import Attentiveness, Method, Rollout, ToMe, VidTLDR
from vidtldr.search.costs import fitting, schedule_gflops

TOWERS = {
    "no prefix": build_tower("umt_b", num_frames=4),
    "no norm behind, a head": build_tower("videomae_b", num_frames=16, num_classes=174),
    "a class token, many images": build_tower("vifi_clip_b16", num_frames=32),
}
METHODS = [VidTLDR(), ToMe(), ToMe(metric="tokens"), Rollout(), Attentiveness(before="layer")]


@pytest.mark.parametrize("tower", TOWERS.values(), ids=TOWERS.keys())
@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.name}-{method.matched_by}")
def test_costs_equal_the_formula_to_the_digit(tower: Tower, method: Method) -> None:
    rng = np.random.default_rng(0)
    schedules = rng.integers(0, tower.num_patches, (40, 3))  # most ask for more than a layer can merge
    schedules[::2] //= 8
    schedules[0] = 0
    counted = schedule_gflops(tower, method, schedules)
    for schedule, gflops in zip(schedules.tolist(), counted):
        options = {**method.option_values(), "r": tuple(schedule)}
        assert gflops == analytic_gflops(tower, type(method)(**options)), schedule


def test_a_schedule_fits_if_every_layer_has_twice_as_many_tokens_to_merge() -> None:
    tower = TOWERS["no prefix"]  # 784 tokens
    schedules = np.array([[392, 196], [393, 0], [392, 197], [0, 392], [0, 393]])
    assert fitting(tower, VidTLDR(), schedules).tolist() == [True, False, False, True, False]
    assert fitting(tower, Attentiveness(), schedules).all()  # which may drop more than half
