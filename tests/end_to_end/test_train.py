from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.helpers.tiny_run import tiny_options, write_msvd, write_vocabulary
from vidtldr.cli.entry import run
from vidtldr.models.checkpoint import read_state_dict

pytestmark = pytest.mark.slow
CONFIG = """
model: {class_path: vidtldr.tasks.VideoTextRetrieval, init_args: {warmup_steps: 1, learning_rate: 0.001}}
data:
  class_path: datamodules.MSVD
  init_args: {train_annotation: msvd_ret_test.json, val_annotation: msvd_ret_test.json}
trainer: {max_epochs: 2, log_every_n_steps: 1}
"""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("train")
    write_msvd(folder / "msvd", num_videos=6)
    (folder / "tiny.yaml").write_text(CONFIG)
    tiny = tiny_options(folder / "msvd", write_vocabulary(folder / "vocab.txt"))
    return ["--config", str(folder / "tiny.yaml"), *(option for option in tiny if not option.startswith("--methods"))]


@pytest.fixture(scope="module")
def trained(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "out"
    assert run("vidtldr.cli.train", [*options, f"--output={output}"]) == 0
    return output


def test_training_leaves_the_best_and_the_last_weights_and_its_config(trained):
    assert {path.name for path in (trained / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert (trained / "config.yaml").is_file()


def test_the_exported_weights_are_those_of_the_best_checkpoint_and_can_be_evaluated(trained, options, tmp_path):
    best = read_state_dict(trained / "checkpoints" / "best.ckpt")
    exported = read_state_dict(trained / "weights.safetensors")
    assert set(best) == set(exported)
    assert all(torch.equal(best[key], value) for key, value in exported.items())
    options = [option for option in options if "_annotation" not in option and not option.endswith("tiny.yaml")]
    evaluated = [f"--model.checkpoint={trained / 'weights.safetensors'}", "--methods=base", f"--output={tmp_path}"]
    options[options.index("--config")] = "--config=umt_b_msvd.yaml"
    assert run("vidtldr.cli.evaluate", [*options, *evaluated]) == 0


def test_losses_validation_and_learning_rate_are_logged_from_the_start(trained):
    events = EventAccumulator(str(trained / "tensorboard")).Reload()
    tags = events.Tags()["scalars"]
    assert {"train/contrastive", "train/matching", "val_r_mean"} <= set(tags)
    assert any(tag.startswith("lr") for tag in tags)
    assert events.Scalars("train/contrastive")[0].step == 0


def test_the_last_checkpoint_is_of_the_last_epoch_even_if_nothing_improves(options, tmp_path):
    output = tmp_path / "out"
    still = [f"--output={output}", "--model.learning_rate=0"]
    assert run("vidtldr.cli.train", [*options, *still]) == 0
    epochs = {
        name: torch.load(output / "checkpoints" / f"{name}.ckpt", weights_only=True)["epoch"]
        for name in ("best", "last")
    }
    assert epochs == {"best": 0, "last": 1}


def test_a_training_is_not_overwritten(trained, options, capsys):
    assert run("vidtldr.cli.train", [*options, f"--output={trained}"]) == 2
    assert "--ckpt_path last" in capsys.readouterr().err


def test_a_training_can_be_resumed(trained, options):
    more = [f"--output={trained}", "--ckpt_path=last", "--trainer.max_epochs=3"]
    assert run("vidtldr.cli.train", [*options, *more]) == 0
    epochs = [event.value for event in EventAccumulator(str(trained / "tensorboard")).Reload().Scalars("epoch")]
    assert max(epochs) == 2


def test_resuming_from_nothing_is_refused(options, tmp_path, capsys):
    assert run("vidtldr.cli.train", [*options, f"--output={tmp_path}", "--ckpt_path=last"]) == 2
    assert "last.ckpt does not exist" in capsys.readouterr().err


def test_training_without_an_annotation_is_one_sentence(options, tmp_path, capsys):
    assert run("vidtldr.cli.train", [*options, f"--output={tmp_path}", "--data.train_annotation=null"]) == 2
    assert "train_annotation must be given" in capsys.readouterr().err
