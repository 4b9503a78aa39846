"""A data set of a few videos and a model of a few thousand weights, for tests of the whole command."""

import json
from pathlib import Path

import numpy as np
import torch

from tests.helpers.video import encode_video
from vidtldr.models.umt import UMT, umt_size

WORDS = ("a", "red", "green", "blue", "white", "shape", "moves", "left", "right", "slowly")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SIZE = {
    "width": 32,
    "depth": 3,
    "num_heads": 2,
    "joint_dim": 16,
    "text_width": 32,
    "text_layers": 3,
    "text_heads": 2,
    "text_intermediate": 64,
    "fusion_layer": 2,
    "vocab_size": len(SPECIAL) + len(WORDS),
    "max_positions": 16,
}
NUM_FRAMES, IMAGE_SIZE = 4, 32  # 16 tokens


def write_msvd(root: Path, num_videos: int = 7, captions: int = 2) -> Path:
    """Write videos and the annotation of a small MSVD in UMT's format; returns ``root``."""
    rng = np.random.default_rng(0)
    records = []
    for number in range(num_videos):
        frames = rng.integers(0, 255, (8, 1, 1, 3)) * np.ones((1, 64, 64, 1)) + rng.integers(0, 40, (8, 64, 64, 3))
        name = f"clip{number}_1_8.mp4"
        encode_video(root / "YouTubeClips" / name, frames.clip(0, 255).astype(np.uint8), crf=30)
        texts = [" ".join(rng.choice(WORDS, 5)) for _ in range(captions)]
        records.append({"video": name, "caption": texts})
    (root / "msvd_ret_test.json").write_text(json.dumps(records))
    return root


def write_vocabulary(path: Path) -> Path:
    """Write a ``vocab.txt`` of :data:`WORDS`; returns ``path``."""
    path.write_text("\n".join((*SPECIAL, *WORDS)) + "\n")
    return path


def write_checkpoint(path: Path) -> Path:
    """Save random weights under the names and wrapper of a published pre-training file; returns ``path``."""
    torch.manual_seed(0)
    model = UMT(umt_size("umt_b", SIZE), num_frames=NUM_FRAMES, image_size=IMAGE_SIZE)
    official = {"clip_teacher.proj": torch.zeros(2), "text_encoder.cls.predictions.bias": torch.zeros(2)}
    for key, value in model.state_dict().items():
        key = key.replace("text_encoder.", "text_encoder.bert.")
        key = key.replace("vision_encoder.", "vision_encoder.encoder.").replace("encoder.fc_norm", "pool_norm")
        if key.endswith("attn.qkv.bias"):
            query, _, value_bias = value.chunk(3)
            official[key.replace("qkv.bias", "q_bias")] = query.clone()
            official[key.replace("qkv.bias", "v_bias")] = value_bias.clone()
        else:
            official[key] = value
    torch.save({"model": official, "epoch": 9, "global_step": 100}, path)
    return path


def tiny_options(root: Path, vocabulary: Path) -> list[str]:
    """Command-line options that make a shipped UMT config small enough for a test."""
    return [
        f"--data.root={root}",
        "--data.batch_size=3",
        "--data.num_workers=1",
        f"--model.size={json.dumps(SIZE)}",
        f"--model.num_frames={NUM_FRAMES}",
        f"--model.image_size={IMAGE_SIZE}",
        f"--model.tokenizer={vocabulary}",
        "--model.max_text_length=8",
        "--model.k_test=4",
        "--methods.tome.r=2",
        "--methods.vidtldr.r=[3,2]",
        "--trainer.accelerator=cpu",
    ]
