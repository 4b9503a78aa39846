import json

import pytest
import yaml

from datamodules.demo.sets.every import SETS
from datamodules.demo.sets.production import ensure
from vidtldr.cli.entry import run

COMMAND = "vidtldr.evidence.command"


def config(folder, root, **model):
    """The retrieval demo on the first generated videos alone."""
    path = folder / "few.yaml"
    content = {
        "model": {"init_args": model},
        "data": {"class_path": "datamodules.MSVD", "init_args": {"root": str(root)}},
    }
    path.write_text(yaml.safe_dump({"inherit": "demo.yaml", **content}))
    return str(path)


@pytest.mark.slow
def test_a_demo_model_is_compared_with_the_truth(tmp_path, capsys):
    ensure(SETS["retrieval"], tmp_path / "data", num_videos={"test": 3})
    few, options = config(tmp_path, tmp_path / "data"), ["--videos", "2", "--data.num_workers", "0"]
    assert run(COMMAND, ["--config", few, "--out", str(tmp_path / "out"), *options]) == 0
    captured = capsys.readouterr()
    assert "few, trained" in captured.out
    assert "few · compare with the truth: 2 of 2" in captured.err
    (model,) = json.loads((tmp_path / "out" / "evidence.json").read_text())["models"]
    assert model["videos"] == ["demo_test_0000.mp4", "demo_test_0001.mp4"]
    assert model["grid"] == [4, 6, 6]
    assert model["merging_layers"] == [1, 2, 3]
    scores = model["weights"]["trained"]["scores"]
    assert min(scores["attentiveness"]["auc"]["layers"]["mean"]) > 0.6  # the trained model looks at the objects
    assert (tmp_path / "out" / "evidence_layers.svg").read_text().count("<svg") == 1

    untrained = config(tmp_path, tmp_path / "data", checkpoint=None)
    again = []
    for seed in ("0", "0", "1"):
        assert run(COMMAND, ["-c", untrained, "--out", str(tmp_path / "out"), "--seed", seed, *options]) == 0
        again.append((tmp_path / "out" / "evidence.json").read_text())
        assert list(json.loads(again[-1])["models"][0]["weights"]) == ["untrained"]
    assert again[0] == again[1] != again[2]


def test_videos_of_ones_own_are_refused_in_a_sentence(tmp_path, capsys):
    ensure(SETS["retrieval"], tmp_path / "data", num_videos={"test": 1})
    (tmp_path / "data" / "demo.json").unlink()
    assert run(COMMAND, ["--config", config(tmp_path, tmp_path / "data"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"error: {tmp_path / 'data'} holds no generated videos, whose objects alone are known")


@pytest.mark.parametrize("value", ["0", "-3", "many"])
def test_a_number_of_videos_below_one_is_refused(value, capsys):
    assert run(COMMAND, ["--videos", value]) == 2
    assert capsys.readouterr().err == f"error: --videos: must be a whole number, 1 or more, not '{value}'\n"


def test_an_option_that_nobody_knows_is_refused(tmp_path, capsys):
    assert run(COMMAND, ["--out", str(tmp_path), "--vidoes", "3"]) == 2
    assert "--vidoes" in capsys.readouterr().err.strip().splitlines()[-1]
