"""A task in one file outside the package, evaluated by ``eval.py``."""

import json
from pathlib import Path

import pytest

from tests.helpers import tiny_classes
from tests.helpers.tasks import outcome
from vidtldr.cli.entry import run

CONFIG = """
model: {class_path: tests.outside.toy_task.FirstFrame, init_args: {num_classes: 3}}
data: {class_path: datamodules.UCF101, init_args: {num_frames: 2, image_size: 32, num_segments: 1, num_crops: 1}}
methods: {base: {}, tome: {r: 2}, vidtldr: {r: [3]}}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classes.write_ucf101(tmp_path_factory.mktemp("toy") / "data")


def test_it_is_scored_under_every_method(root, tmp_path, capsys):
    (tmp_path / "toy.yaml").write_text(CONFIG)
    options = [f"--config={tmp_path / 'toy.yaml'}", f"--data.root={root}", "--data.num_workers=0"]
    options += ["--trainer.accelerator=cpu", f"--output={tmp_path / 'out'}"]
    assert run("vidtldr.cli.evaluate", options) == 0
    methods, samples = outcome(tmp_path / "out")
    assert list(methods) == ["base", "tome", "vidtldr"]
    rows = [json.loads(line) for line in samples.decode().splitlines()]
    for name, method in methods.items():
        hits = [row["right"] for row in rows if row["method"] == name]
        assert len(hits) == 9
        assert method["metrics"] == {"right": pytest.approx(100 * sum(hits) / 9)}
    assert methods["tome"]["gflops"] < methods["base"]["gflops"]
    assert "toy: first frame" in capsys.readouterr().out
