import re

import pytest
import torch
import yaml

from tests.helpers.tiny_run import write_vocabulary
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.paths import CONFIG_DIR, config_names
from vidtldr.cli.train import TrainCLI
from vidtldr.evaluation import build_methods, check_methods_fit
from vidtldr.merging import Method

ALL = config_names()
ROWS = [name for name in ALL if re.match("umt_[bl]_", name)]
BASE_GFLOPS = {"umt_b": 303.3, "umt_l": 984.6}  # of the paper


@pytest.fixture(params=ROWS)
def config(request: pytest.FixtureRequest, tmp_path) -> EvalCLI:
    vocabulary = write_vocabulary(tmp_path / "vocab.txt")
    return EvalCLI(["--config", request.param, f"--model.tokenizer={vocabulary}"])


def gflops(method: Method, backbone: str, num_frames: int) -> float:
    """The paper's count, written down as a formula: multiply-adds, LayerNorm at 5 per element, no text encoder."""
    width, depth = {"umt_b": (768, 12), "umt_l": (1024, 24)}[backbone]
    match_width = {"base": 0, "tome": 64, "vidtldr": width}[method.name]
    tokens = 196 * num_frames
    total = tokens * width * 3 * 16 * 16  # patch embedding
    for r in method.schedule(depth):
        total += 5 * tokens * width + 4 * tokens * width**2 + 2 * tokens**2 * width
        if r:
            total += (tokens + 1) // 2 * (tokens // 2) * match_width
            tokens -= min(int(r), tokens // 2)
        total += 5 * tokens * width + 8 * tokens * width**2
    return (total + 5 * tokens * width + 5 * width) / 1e9


def test_rows_of_the_paper_are_there():
    assert ROWS == ["umt_b_msrvtt.yaml", "umt_b_msvd.yaml", "umt_l_msrvtt.yaml", "umt_l_msvd.yaml"]


def test_model_and_data_of_a_config_can_be_built(config):
    with torch.device("meta"):  # no memory for weights
        module = config.build("model")
    check_methods_fit(module, build_methods(config.config.methods))
    datamodule = config.build("data")
    assert datamodule.num_frames == module.hparams.num_frames == 12
    assert datamodule.max_text_tokens == module.hparams.max_text_length


@pytest.mark.parametrize("name", ALL)
def test_every_config_can_be_built(name, tmp_path):
    compares = "methods" in yaml.safe_load((CONFIG_DIR / name).read_text())
    options = ["--config", name, f"--model.tokenizer={write_vocabulary(tmp_path / 'vocab.txt')}"]
    cli = (EvalCLI if compares else TrainCLI)([*options, "--model.checkpoint=null"])
    cli.build("data")
    with torch.device("meta"):  # no memory for weights
        cli.build("model")


@pytest.mark.parametrize("name", ROWS)
def test_first_line_is_the_command(name):
    first = (CONFIG_DIR / name).read_text().splitlines()[0]
    assert first == f"# python eval.py --config {name} --data.root DIR --model.checkpoint FILE"


def test_second_line_tells_the_gflops_that_the_schedules_give(config):
    text = (CONFIG_DIR / f"{config.config_name}.yaml").read_text()
    said = [float(number) for number in re.findall(r"(?:base|ToMe|vid-TLDR) (\d+\.\d)", text.splitlines()[1])]
    backbone = config.config.model.init_args.backbone
    methods = build_methods(config.config.methods)
    assert [round(gflops(method, backbone, 12), 1) for method in methods.values()] == said
    assert said[0] == BASE_GFLOPS[backbone]
