"""``train.py`` on action recognition and base-to-novel: what it leaves can be evaluated."""

import json
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.helpers.tiny_classes import (
    CLIP_SIZE,
    CLIP_WORDS,
    IMAGE_SIZE,
    NUM_FRAMES,
    VIDEOMAE_SIZE,
    write_base_to_novel,
    write_clip_checkpoints,
    write_ucf101,
    write_videomae_checkpoint,
)
from vidtldr.cli.entry import run
from vidtldr.models.checkpoint import read_state_dict

pytestmark = pytest.mark.slow
RECOGNITION = """
model:
  class_path: vidtldr.tasks.ActionRecognition
  init_args: {num_classes: 3, warmup_steps: 1, mixup: 0.8, cutmix: 1.0, drop_path: 0.1, head_dropout: 0.1}
data:
  class_path: datamodules.UCF101
  init_args: {batch_size: 4, val_annotation: testlist01.txt}
trainer: {max_epochs: 2, log_every_n_steps: 1}
"""
BASE_TO_NOVEL = """
model:
  class_path: vidtldr.tasks.BaseToNovel
  init_args: {warmup_steps: 1, mixup: 0.8}
data:
  class_path: datamodules.UCF101BaseToNovel
  init_args: {batch_size: 2, val_annotation: base_val.txt}
trainer: {max_epochs: 2, log_every_n_steps: 1}
"""


def shape_options(size: dict) -> list[str]:
    return [
        f"--model.size={json.dumps(size)}",
        f"--model.num_frames={NUM_FRAMES}",
        f"--model.image_size={IMAGE_SIZE}",
        "--data.num_workers=1",
        "--trainer.accelerator=cpu",
    ]


@pytest.fixture(scope="module")
def recognition(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("recognition")
    root = write_ucf101(folder / "ucf101")
    (folder / "tiny.yaml").write_text(RECOGNITION)
    return folder, [f"--data.root={root}", *shape_options(VIDEOMAE_SIZE)]


@pytest.fixture(scope="module")
def base_to_novel(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("base2novel")
    root = write_base_to_novel(folder / "ucf101")
    (folder / "tiny.yaml").write_text(BASE_TO_NOVEL)
    (folder / "vocab.txt").write_text("\n".join(CLIP_WORDS) + "\n")
    clip, _ = write_clip_checkpoints(folder)
    tokenizer = f"--model.tokenizer={folder / 'vocab.txt'}"
    return folder, [f"--data.root={root}", tokenizer, f"--model.checkpoint={clip}", *shape_options(CLIP_SIZE)]


def train(folder: Path, options: list[str], output: Path, *more: str) -> dict[str, torch.Tensor]:
    """Run ``train.py`` in this process; returns the weights it exports."""
    arguments = ["--config", str(folder / "tiny.yaml"), *options, f"--output={output}", *more]
    assert run("vidtldr.cli.train", arguments) == 0
    return read_state_dict(output / "weights.safetensors")


def logged(output: Path) -> set[str]:
    return set(EventAccumulator(str(output / "tensorboard")).Reload().Tags()["scalars"])


def test_recognition_trains_validates_and_can_be_evaluated(recognition, tmp_path):
    folder, options = recognition
    weights = train(folder, options, tmp_path / "out")
    assert {"train/loss", "val_top1", "val_top5"} <= logged(tmp_path / "out")
    assert (tmp_path / "out" / "checkpoints" / "best.ckpt").is_file()
    assert weights["head.weight"].shape == (3, 32)
    checkpoint = f"--model.checkpoint={tmp_path / 'out' / 'weights.safetensors'}"
    test = [*options, checkpoint, "--model.num_classes=3", "--methods=base", f"--output={tmp_path / 'test'}"]
    assert run("vidtldr.cli.evaluate", ["--config=videomae_b_ucf101.yaml", *test]) == 0


def test_layer_decay_slows_the_first_layers(recognition, tmp_path):
    folder, options = recognition
    checkpoint = write_videomae_checkpoint(tmp_path / "start.pth")
    start = torch.load(checkpoint, weights_only=True)["module"]
    plain = [f"--model.checkpoint={checkpoint}", "--model.mixup=0", "--model.cutmix=0", "--model.drop_path=0"]
    changed = {}
    for decay in (1.0, 0.3):
        weights = train(folder, [*options, *plain, f"--model.layer_decay={decay}"], tmp_path / str(decay))
        changed[decay] = [
            (weights[key] - start[key]).abs().mean().item()
            for key in ("patch_embed.proj.weight", "blocks.3.mlp.fc2.weight")
        ]
    assert changed[0.3][0] < 0.1 * changed[1.0][0]
    assert changed[0.3][1] > 0.2 * changed[1.0][1]


def test_a_fresh_head_is_put_on_a_model_of_other_classes(recognition, tmp_path):
    folder, options = recognition
    checkpoint = write_videomae_checkpoint(tmp_path / "seven.pth", num_classes=7)
    weights = train(folder, [*options, f"--model.checkpoint={checkpoint}", "--model.new_head=true"], tmp_path / "out")
    assert weights["head.weight"].shape == (3, 32)


def test_base_to_novel_trains_both_towers_but_not_the_token_table(base_to_novel, tmp_path):
    folder, options = base_to_novel
    start = torch.load(folder / "clip.pt", weights_only=True)
    weights = train(folder, options, tmp_path / "out")
    assert {"train/loss", "val_base"} <= logged(tmp_path / "out")
    (table,) = (key for key in weights if key.endswith("token_embedding.weight"))
    assert torch.equal(weights[table], start["token_embedding.weight"])
    assert not torch.equal(weights["text_encoder.text_projection"], start["text_projection"])
    assert not torch.equal(weights["vision_encoder.head.weight"], start["visual.proj"].t())
    checkpoint = [f"--model.checkpoint={tmp_path / 'out' / 'weights.safetensors'}", "--methods=base"]
    test = [*(option for option in options if "checkpoint" not in option), *checkpoint, f"--output={tmp_path / 'test'}"]
    assert run("vidtldr.cli.evaluate", ["--config=vifi_clip_ucf101_base2novel.yaml", *test]) == 0


def test_the_token_table_can_be_trained_where_there_is_no_clip_to_start_from(base_to_novel, tmp_path):
    folder, options = base_to_novel
    start = torch.load(folder / "clip.pt", weights_only=True)["token_embedding.weight"]
    weights = train(folder, options, tmp_path / "out", "--model.train_token_embedding=true")
    (table,) = (key for key in weights if key.endswith("token_embedding.weight"))
    assert not torch.equal(weights[table], start)
