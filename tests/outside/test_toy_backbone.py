"""A backbone in one file outside the package: in the registry, in costs, in the bench, and evaluated."""

import json

import pytest
import torch
import yaml

from tests.helpers import tasks, tiny_classes
from vidtldr.bench.encoders import Workload
from vidtldr.cost.of_config import config_gflops
from vidtldr.measuring.flops_analytic import analytic_gflops
from vidtldr.measuring.flops_counted import encoder_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import VidTLDR
from vidtldr.models.registry import build_encoder, find_classifier

NAME = "tests.outside.toy_backbone.toy_s"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "toy.yaml"
    init_args = {"backbone": NAME, "num_frames": 4, "image_size": 32, "num_classes": 3}
    model = {"class_path": "vidtldr.tasks.ActionRecognition", "init_args": init_args}
    data = {"class_path": "datamodules.UCF101", "init_args": {"root": str(tmp_path / "data"), "num_segments": 2}}
    methods = {"base": {}, "tome": {"r": 5}, "vidtldr": {"r": [20, 6]}}
    path.write_text(yaml.safe_dump({"model": model, "data": data, "methods": methods}))
    return path


def test_it_is_built_by_name_and_its_cost_is_known() -> None:
    encoder = build_encoder(NAME, size={"depth": 4}, num_frames=4, image_size=32, num_classes=3)
    method = VidTLDR([20, 6])
    counted = encoder_gflops(encoder.module, example=encoder.blank_clips(1), method=method)
    tower = build_tower(NAME, size={"depth": 4}, num_frames=4, image_size=32, num_classes=3)
    assert (tower.depth, tower.num_patches) == (4, 64)
    assert analytic_gflops(tower, method) == pytest.approx(counted, rel=1e-12)


def test_it_is_a_classifier_and_umt_is_none() -> None:
    assert find_classifier(NAME)[1].width == 16
    assert find_classifier("toy_m")[1].width == 32  # registered with the other
    with pytest.raises(ValueError, match=r"unknown backbone 'umt_b': choose from videomae_s, .*, toy_s, toy_m"):
        find_classifier("umt_b")


def test_a_module_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"cannot import 'tests\.outside\.nothing' for backbone"):
        build_encoder("tests.outside.nothing.toy_s", num_frames=4)


def test_costs_and_bench_know_it(config) -> None:
    costs = config_gflops([str(config)])
    assert list(costs) == ["base", "tome", "vidtldr"]
    loaded = Workload(str(config)).load()
    assert {row.name: row.gflops for row in loaded.candidates} == {name: gflops for name, (_, gflops) in costs.items()}
    assert all(loaded.run(row)().shape == (1, 3) for row in loaded.candidates)


def test_it_is_evaluated(config, tmp_path) -> None:
    tiny_classes.write_ucf101(tmp_path / "data")
    weights = tmp_path / "toy.pt"
    torch.save(build_encoder(NAME, num_frames=4, image_size=32, num_classes=3).module.state_dict(), weights)
    options = [f"--config={config}", f"--model.checkpoint={weights}"]
    options += ["--data.batch_size=4", "--data.num_workers=1", "--trainer.accelerator=cpu"]
    done = tasks.run(tasks.command(options, tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "out").iterdir()
    methods = json.loads((folder / "results.json").read_text())["methods"]
    assert list(methods) == ["base", "tome", "vidtldr"]
    assert methods["vidtldr"]["gflops"] < methods["base"]["gflops"]
    assert methods["base"]["videos_evaluated"] == 9
