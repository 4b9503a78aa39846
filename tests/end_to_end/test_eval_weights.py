"""``eval.py`` on weights by other names than a file: a folder of transformers, a model of the hub, averaged ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers.command import evaluate, refused
from tests.helpers.hub import hub_of
from tests.helpers.tiny_classes import CLASSES, IMAGE_SIZE, NUM_FRAMES, VIDEOMAE_SIZE, write_ucf101
from vidtldr.cli.paths import PROJECT_DIR

pytestmark = pytest.mark.slow
transformers = pytest.importorskip("transformers")
_IN_ANOTHER_ORDER = ("Typing", "Apply lipstick", "Handstand Pushups")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set; a model without names in ``plain``, the same with classes in another order in ``org/named``."""
    folder = tmp_path_factory.mktemp("weights")
    write_ucf101(folder / "ucf101", videos_per_class=2)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 128}
    clip = {"num_frames": NUM_FRAMES, "image_size": IMAGE_SIZE, "use_mean_pooling": True, "num_labels": 3}
    model = transformers.VideoMAEForVideoClassification(transformers.VideoMAEConfig(**shape, **clip))
    with torch.no_grad():
        model.classifier.weight.normal_()
    model.save_pretrained(folder / "plain")
    torch.save({"model": model.state_dict(), "model_ema": model.state_dict()}, folder / "both.pth")
    plain = [name.lower() for name in CLASSES]
    order = [plain.index(name.replace(" ", "").lower()) for name in _IN_ANOTHER_ORDER]
    with torch.no_grad():
        for parameter in (model.classifier.weight, model.classifier.bias):
            parameter.copy_(parameter[order])
    model.config.id2label = dict(enumerate(_IN_ANOTHER_ORDER))
    model.save_pretrained(folder / "org" / "named")
    return folder


def _options(folder: Path, checkpoint: Path | str, *more: str) -> list[str]:
    return [
        "--config=videomae_b_ucf101.yaml",
        f"--data.root={folder / 'ucf101'}",
        "--data.batch_size=16",
        "--data.num_workers=1",
        f"--model.checkpoint={checkpoint}",
        f"--model.size={json.dumps(VIDEOMAE_SIZE)}",
        "--model.num_classes=3",
        f"--model.num_frames={NUM_FRAMES}",
        f"--model.image_size={IMAGE_SIZE}",
        "--trainer.accelerator=cpu",
        "--only=base",
        *more,
    ]


def _samples(output: Path) -> list[dict]:
    (run,) = output.iterdir()
    return [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def expected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    output = tmp_path_factory.mktemp("plain") / "out"
    evaluate(_options(folder, folder / "plain"), output)
    return _samples(output)


def test_classes_in_another_order_are_put_into_that_of_the_data(
    folder: Path, expected: list[dict], tmp_path: Path
) -> None:
    results = evaluate(_options(folder, folder / "org" / "named"), tmp_path / "out")
    assert len({sample["prediction"] for sample in expected}) > 1
    assert _samples(tmp_path / "out") == expected
    assert results["checkpoint"]["path"] == str(folder / "org" / "named")
    assert len(results["checkpoint"]["sha256"]) == 64


def test_classes_that_the_model_does_not_know_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / "org" / "named" / name).read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"]["0"] = "Sleeping"
    (tmp_path / "config.json").write_text(json.dumps(config))
    options = _options(folder, tmp_path, f"--output={tmp_path / 'out'}")
    assert "does not tell 1 of the 3 classes of the data apart (Typing)" in refused(options, capsys)


def test_averaged_weights_are_chosen_by_an_option(folder: Path, expected: list[dict], tmp_path: Path) -> None:
    evaluate(_options(folder, folder / "both.pth", "--model.weights=ema"), tmp_path / "out")
    assert _samples(tmp_path / "out") == expected


def test_a_model_of_the_hub_is_evaluated_and_again_without_a_network(
    folder: Path, expected: list[dict], tmp_path: Path
) -> None:
    def run(output: str, checkpoint: str, **environment: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(PROJECT_DIR / "eval.py"), *_options(folder, checkpoint), f"--output={output}"]
        kept = {"PYTHONPATH": str(PROJECT_DIR), "HF_HOME": str(tmp_path / "cache"), "no_proxy": "*"}
        return subprocess.run(
            command, env=os.environ | kept | environment, cwd=tmp_path, capture_output=True, text=True, timeout=250
        )

    with hub_of(folder) as (address, _):
        online = run("online", "org/named", HF_ENDPOINT=address)
    assert online.returncode == 0, online.stderr
    assert _samples(tmp_path / "online") == expected
    offline = run("offline", "org/named", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    assert _samples(tmp_path / "offline") == expected
    nowhere = run("nowhere", "org/other", HF_HUB_OFFLINE="1")
    assert nowhere.returncode == 2
    last = nowhere.stderr.strip().splitlines()[-1]
    assert last.startswith("error: checkpoint 'org/other' is no file or folder here, the hub cannot be reached")
    assert last.endswith("run `hf download org/other --local-dir DIR`, and give DIR as --model.checkpoint")
