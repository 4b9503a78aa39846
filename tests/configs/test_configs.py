import re
from pathlib import Path

import pytest
import torch
import yaml
from jsonargparse import Namespace

from tests.helpers.tiny_run import write_vocabulary
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.inheritance import read_config
from vidtldr.cli.pairs import known_pairs
from vidtldr.cli.paths import CONFIG_DIR, config_names
from vidtldr.cli.train import TrainCLI
from vidtldr.evaluation.methods import build_methods, check_methods_fit
from vidtldr.measuring.flops_analytic import analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import Base, Method
from vidtldr.results.paper import PaperRow

ALL = config_names()
BESIDE_THE_PAPER = ["videomae_b_hmdb51.yaml", "videomae_b_kinetics400.yaml"]
TOWERS = ["clip_b16_msrvtt_dual.yaml", "clip_b16_ucf101_zero_shot.yaml", "siglip_b16_msrvtt_dual.yaml"]
SHIPPED = [name for name in ALL if not name.startswith("demo")]
ROWS = [name for name in SHIPPED if name not in (*BESIDE_THE_PAPER, *TOWERS)]
BASE_GFLOPS = {  # of the paper, by backbone and frames; it prints 563 for the last
    ("umt_b", 12): 303.3,
    ("umt_b", 4): 78.5,
    ("umt_l", 12): 984.6,
    ("umt_l", 4): 267.8,
    ("videomae_b", 16): 180.5,
    ("vifi_clip_b16", 32): 562.6,
}
CLIP_CHANNELS = 512
TEXT_TOKENS = {  # of UMT's configs, by data set
    "ActivityNet": 150,
    "DiDeMo": 64,
    "LSMDC": 96,
    "MSRVTT": 32,
    "MSVD": 64,
    "SSv2Label": 25,
    "SSv2Template": 25,
}


@pytest.fixture(params=SHIPPED)
def config(request: pytest.FixtureRequest, tmp_path) -> EvalCLI:
    return EvalCLI(["--config", request.param, *vocabulary_for(request.param, tmp_path)])


def vocabulary_for(name: str, folder: Path) -> list[str]:
    """The option that spares a download, for models that read BERT's vocabulary."""
    if "tokenizer" in read_config(CONFIG_DIR / name)["model"]["init_args"] or not name.startswith(("umt", "ablation")):
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
    retrieval = ("msrvtt", "msvd", "activitynet", "didemo", "lsmdc", "ssv2_label", "ssv2_template")  # Table 2
    zero_shot = tuple(f"{name}_zero_shot" for name in retrieval[:4])
    answering = ("msrvtt_qa", "msvd_qa")  # Table 4
    umt = {f"umt_{size}_{name}.yaml" for size in "bl" for name in (*retrieval, *zero_shot, *answering)}
    others = {"videomae_b_ucf101.yaml", "videomae_b_ssv2.yaml", "vifi_clip_ucf101_base2novel.yaml"}  # Tables 5, 6
    assert set(ROWS) == umt | others | {"ablation_table1.yaml", "ablation_table7.yaml"}


def test_no_schedule_or_model_is_written_down_twice():
    for name in ROWS:
        if name.startswith(("umt", "ablation")):
            assert set(yaml.safe_load((CONFIG_DIR / name).read_text())) == {"inherit", "paper", "methods"}


def test_every_row_says_which_row_of_the_paper_it_is():
    for name in ROWS:
        config = read_config(CONFIG_DIR / name)
        row = PaperRow(**config["paper"])
        row.check()
        cells = [cell for pairs in row.known_pairs() or [None] for cell in row.cells(_backbone(config), pairs)]
        assert {cell.method for cell in cells} <= set(config["methods"]), name
        assert {cell.table for cell in cells} == set(row.tables), name


def _backbone(config) -> str:
    return config["model"]["init_args"]["backbone"]


def test_zero_shot_configs_give_every_pre_training_its_schedules():
    for name in ROWS:
        if "zero_shot" in name:
            config = read_config(CONFIG_DIR / name)
            assert known_pairs(config["methods"]) == PaperRow(**config["paper"]).known_pairs() == ["5M", "17M", "25M"]
            assert config["pairs"] == "25M"


def test_model_and_data_of_a_config_can_be_built(config):
    with torch.device("meta"):  # no memory for weights
        module = config.build("model")
    check_methods_fit(module, build_methods(config.config.methods))
    datamodule = config.build("data")
    assert datamodule.num_frames == module.hparams.num_frames
    assert datamodule.image_size == module.hparams.image_size == 224
    if "max_text_length" in module.hparams:
        assert TEXT_TOKENS[type(datamodule).__name__] == module.hparams.max_text_length


@pytest.mark.parametrize("name", ALL)
def test_every_config_can_be_built(name, tmp_path):
    compares = "methods" in read_config(CONFIG_DIR / name)
    options = ["--config", name, *vocabulary_for(name, tmp_path)]
    cli = (EvalCLI if compares else TrainCLI)([*options, "--model.checkpoint=null"])
    cli.build("data")
    with torch.device("meta"):  # no memory for weights
        cli.build("model")


def test_a_config_beside_the_paper_takes_the_schedules_of_a_row_and_says_so():
    row = read_config(CONFIG_DIR / "videomae_b_ucf101.yaml")
    for name in BESIDE_THE_PAPER:
        config = read_config(CONFIG_DIR / name)
        assert config["paper"] is None
        assert config["methods"] == row["methods"]
        assert "No row of the paper" in (CONFIG_DIR / name).read_text()


@pytest.mark.parametrize("name", SHIPPED)
def test_first_line_is_the_command(name):
    first = (CONFIG_DIR / name).read_text().splitlines()[0]
    checkpoint = "[a-z]+/[a-z0-9-]+" if name in TOWERS else "FILE"
    assert re.match(rf"# python eval\.py --config {name} --data\.root DIR --model\.checkpoint {checkpoint}", first)


def test_the_header_tells_the_gflops_that_the_schedules_give(config):
    header = (CONFIG_DIR / f"{config.config_name}.yaml").read_text().partition("inherit:")[0].partition("model:")[0]
    model = config.config.model.init_args
    names = {"tome": "ToMe", "vidtldr": "vid-TLDR"}
    for name, method in build_methods(config.config.methods).items():
        (said,) = re.findall(rf"\b{names.get(name, name)}\s(?:# )?(\d+\.\d)", header)
        known = method.name in ("base", *names) and f"{config.config_name}.yaml" not in TOWERS
        counted = gflops(method, model) if known else analytic(method, model)
        assert round(counted, 1) == float(said), name
    if f"{config.config_name}.yaml" in TOWERS:
        return
    assert round(gflops(Base(), model), 1) == BASE_GFLOPS[model.backbone, model.num_frames]


def analytic(method: Method, model: Namespace) -> float:
    """The count of the project itself, for methods that the formula above does not know."""
    return analytic_gflops(build_tower(model.backbone, num_frames=model.num_frames, image_size=224), method)


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith("demo") and "train" not in name])
def test_the_weights_that_ship_with_a_demo_fit_it(name):
    if "methods" not in read_config(CONFIG_DIR / name):
        pytest.skip("trains")
    cli = EvalCLI(["--config", name])
    module = cli.build("model")
    assert module.checkpoint_sha256
    check_methods_fit(module, build_methods(cli.config.methods))
