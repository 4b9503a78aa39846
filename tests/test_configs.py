import re
from pathlib import Path

import pytest
import torch
import yaml
from jsonargparse import Namespace

from tests.helpers.tiny_run import write_vocabulary
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.paths import CONFIG_DIR, config_names
from vidtldr.cli.train import TrainCLI
from vidtldr.evaluation import build_methods, check_methods_fit
from vidtldr.merging import Base, Method

ALL = config_names()
ROWS = [name for name in ALL if not name.startswith("demo")]
BASE_GFLOPS = {"umt_b": 303.3, "umt_l": 984.6, "videomae_b": 180.5, "vifi_clip_b16": 562.6}  # of the paper (563)
CLIP_CHANNELS = 512


@pytest.fixture(params=ROWS)
def config(request: pytest.FixtureRequest, tmp_path) -> EvalCLI:
    return EvalCLI(["--config", request.param, *vocabulary_for(request.param, tmp_path)])


def vocabulary_for(name: str, folder: Path) -> list[str]:
    """The option that spares a download, for models that read BERT's vocabulary."""
    text = (CONFIG_DIR / name).read_text()
    if "VideoTextRetrieval" not in text:
        return []
    return [f"--model.tokenizer={write_vocabulary(folder / 'vocab.txt')}"]


def gflops(method: Method, model: Namespace) -> float:
    """The paper's count, written down as a formula: multiply-adds, LayerNorm at 5 per element, no text encoder."""
    if model.backbone.startswith("vifi"):
        return model.num_frames * _blocks(method, 196, 768, 12, prefix=1, head=CLIP_CHANNELS, first_norm=True)
    width, depth = {"umt_b": (768, 12), "umt_l": (1024, 24), "videomae_b": (768, 12)}[model.backbone]
    if model.backbone.startswith("videomae"):
        tubelets, head = 196 * model.num_frames // 2, model.num_classes
        return _blocks(method, tubelets, width, depth, frames=2, head=head, last_norm=False)
    return _blocks(method, 196 * model.num_frames, width, depth)


def _blocks(
    method: Method,
    tokens: int,
    width: int,
    depth: int,
    *,
    prefix: int = 0,
    frames: int = 1,
    head: int = 0,
    first_norm: bool = False,
    last_norm: bool = True,
) -> float:
    match_width = {"tome": 64 if getattr(method, "metric", "") == "keys" else width, "vidtldr": width}
    merges, early = method.name in match_width, getattr(method, "before", "mlp") == "layer"
    total = tokens * width * 3 * frames * 16 * 16  # patch embedding
    tokens += prefix
    total += 5 * tokens * width if first_norm else 0
    if method.name == "rollout":  # the unreduced encoder once more, and a vector through the maps of all layers
        first = _blocks(Base(), tokens - prefix, width, depth, prefix=prefix, frames=frames, head=head)
        total += first * 1e9 + depth * tokens**2
    for r in method.schedule(depth):
        tokens -= r if early else 0
        total += 5 * tokens * width + 4 * tokens * width**2 + 2 * tokens**2 * width
        if r and merges:
            total += (tokens - prefix + 1) // 2 * (tokens // 2) * match_width[method.name]
            tokens -= min(int(r), (tokens - prefix) // 2)
        elif not early:
            tokens -= r
        total += 5 * tokens * width + 8 * tokens * width**2
    pooled = 5 * width + width * head
    return (total + (5 * tokens * width if last_norm and not first_norm else 0) + pooled) / 1e9


def test_rows_of_the_paper_are_there():
    assert ROWS == [
        "ablation_table1.yaml",
        "ablation_table7.yaml",
        "umt_b_msrvtt.yaml",
        "umt_b_msvd.yaml",
        "umt_l_msrvtt.yaml",
        "umt_l_msvd.yaml",
        "videomae_b_ssv2.yaml",
        "videomae_b_ucf101.yaml",
        "vifi_clip_ucf101_base2novel.yaml",
    ]


def test_model_and_data_of_a_config_can_be_built(config):
    with torch.device("meta"):  # no memory for weights
        module = config.build("model")
    check_methods_fit(module, build_methods(config.config.methods))
    datamodule = config.build("data")
    assert datamodule.num_frames == module.hparams.num_frames
    assert datamodule.image_size == module.hparams.image_size == 224
    if hasattr(datamodule, "max_text_tokens"):
        assert datamodule.max_text_tokens == module.hparams.max_text_length


@pytest.mark.parametrize("name", ALL)
def test_every_config_can_be_built(name, tmp_path):
    compares = "methods" in yaml.safe_load((CONFIG_DIR / name).read_text())
    options = ["--config", name, *vocabulary_for(name, tmp_path)]
    cli = (EvalCLI if compares else TrainCLI)([*options, "--model.checkpoint=null"])
    cli.build("data")
    with torch.device("meta"):  # no memory for weights
        cli.build("model")


@pytest.mark.parametrize("name", ROWS)
def test_first_line_is_the_command(name):
    first = (CONFIG_DIR / name).read_text().splitlines()[0]
    assert first.startswith(f"# python eval.py --config {name} --data.root DIR --model.checkpoint FILE")


def test_the_header_tells_the_gflops_that_the_schedules_give(config):
    text = (CONFIG_DIR / f"{config.config_name}.yaml").read_text()
    model = config.config.model.init_args
    methods = build_methods(config.config.methods)
    names = "|".join([*methods, "ToMe", "vid-TLDR"])
    said = [float(number) for number in re.findall(rf"(?:{names})\s(?:# )?(\d+\.\d)", text)]
    assert [round(gflops(method, model), 1) for method in methods.values()] == said
    assert said[0] == BASE_GFLOPS[model.backbone]
