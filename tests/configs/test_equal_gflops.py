"""The configs that compare methods at equal GFLOPs keep their word."""

import pytest
import torch

from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.paths import config_names
from vidtldr.cost.of_config import config_block, config_gflops
from vidtldr.errors import UserError
from vidtldr.evaluation.methods import build_methods, check_methods_fit

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


def test_a_chain_is_shown_by_its_methods():
    options = {row[0]: row[1] for row in config_block(["demo_methods.yaml"]).rows}
    assert options["run_length_vidtldr"] == "methods=run_length(keep=0.9),vidtldr(r=25,8,4)"


def test_an_evaluation_refuses_a_method_whose_cost_is_that_of_no_clip():
    module = EvalCLI(["--config", "demo.yaml", "--model.checkpoint=null"]).build("model")
    methods = build_methods({"still": {"method": "run_length", "tau": 0.1}})
    with pytest.raises(
        UserError, match=r"methods\.still does not fit: it leaves another number of tokens in each clip"
    ):
        check_methods_fit(module, methods)
    assert type(module.vision_encoder.blocks) is torch.nn.Sequential
