"""Small UCF101 and ViFi-CLIP data in their official layouts, checkpoints with official names, for whole commands."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tests.helpers.video import encode_video
from tests.helpers.vifi_clip import TABLE
from vidtldr.models.videomae import VideoMAE, videomae_size
from vidtldr.models.vifi_clip import ViFiCLIP, vifi_clip_size

CLASSES = ("ApplyLipstick", "HandstandPushups", "Typing")
VIDEOMAE_SIZE = {"width": 32, "depth": 4, "num_heads": 2}
CLIP_SIZE = {
    "width": 32, "depth": 4, "num_heads": 2, "joint_dim": 16,
    "text_width": 16, "text_layers": 2, "text_heads": 2, "context_length": 16, "vocab_size": 16,
}  # fmt: skip
CLIP_WORDS = ("a", "photo", "of", "typing", "playingviolin", "applylipstick", "handstandpushups")
NUM_FRAMES, IMAGE_SIZE = 4, 32
_OPENAI_NAMES = (
    ("norm_pre", "ln_pre"),
    ("fc_norm", "ln_post"),
    ("patch_embed.proj", "conv1"),
    ("blocks", "transformer.resblocks"),
    ("norm1", "ln_1"),
    ("norm2", "ln_2"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
    ("attn.qkv.", "attn.in_proj_"),
    ("attn.proj", "attn.out_proj"),
)


def _write_video(path: Path, rng: np.random.Generator) -> None:
    frames = rng.integers(0, 255, (20, 1, 1, 3)) * np.ones((1, 48, 64, 1)) + rng.integers(0, 40, (20, 48, 64, 3))
    encode_video(path, frames.clip(0, 255).astype(np.uint8), codec="mpeg4", crf=None)


def write_ucf101(root: Path, videos_per_class: int = 3) -> Path:
    """Write videos and the official lists of a small UCF101; returns ``root``."""
    rng = np.random.default_rng(0)
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("".join(f"{n} {name}\r\n" for n, name in enumerate(CLASSES, start=1)))
    test, train = [], []
    for label, name in enumerate(CLASSES, start=1):
        spelt = name.replace("stand", "Stand")  # as the files of one class are
        for clip in range(1, videos_per_class + 1):
            video = f"{name}/v_{spelt}_g01_c{clip:02}.avi"
            _write_video(root / "UCF-101" / video, rng)
            test.append(f"{video}\r\n")
            train.append(f"{video} {label}\r\n")
    (lists / "testlist01.txt").write_text("".join(test))
    (lists / "trainlist01.txt").write_text("".join(train))
    return root


def write_base_to_novel(root: Path, videos_per_class: int = 2) -> Path:
    """Write videos and ViFi-CLIP's lists of two base and two novel classes; returns ``root``."""
    rng = np.random.default_rng(0)
    halves = {"base": ("Typing", "PlayingViolin"), "novel": ("ApplyLipstick", "HandstandPushups")}
    labels = root / "ucf_splits" / "labels"
    labels.mkdir(parents=True)
    for half, names in halves.items():
        rows = "".join(f"{number},{name}\r\n" for number, name in enumerate(names))
        (labels / f"ucf_101_{half}_labels.csv").write_text(f"id,name\r\n{rows}")
        lines = []
        for label, name in enumerate(names):
            for clip in range(1, videos_per_class + 1):
                video = f"v_{name}_g01_c{clip:02}.avi"
                _write_video(root / "videos" / video, rng)
                lines.append(f"{video} {label}\n")
        (labels.parent / f"{half}_val.txt").write_text("".join(lines))
        if half == "base":
            (labels.parent / "fs_base_s1_train.txt").write_text("".join(lines))
    return root


def write_videomae_checkpoint(path: Path, num_classes: int = len(CLASSES)) -> Path:
    """Save random weights as the official fine-tuning does under DeepSpeed; returns ``path``."""
    torch.manual_seed(0)
    model = VideoMAE(
        videomae_size("videomae_b", VIDEOMAE_SIZE),
        num_classes=num_classes,
        num_frames=NUM_FRAMES,
        image_size=IMAGE_SIZE,
    )
    official: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        if key.endswith("attn.qkv.bias"):
            query, _, value_bias = value.chunk(3)
            official[key.replace("qkv.bias", "q_bias")] = query.clone()
            official[key.replace("qkv.bias", "v_bias")] = value_bias.clone()
        else:
            official[key] = value
    torch.save({"module": official, "epoch": 99}, path)
    return path


def write_clip_checkpoints(folder: Path, seeds: int = 1) -> tuple[Path, list[Path]]:
    """Save a CLIP and ViFi-CLIP models of some seeds under their official names; returns (CLIP, ViFi-CLIPs)."""
    vifi = []
    for seed in range(seeds + 1):
        torch.manual_seed(seed)
        model = ViFiCLIP(vifi_clip_size("vifi_clip_b16", CLIP_SIZE), image_size=IMAGE_SIZE)
        entries = _openai_names(model)
        if seed == 0:
            clip = folder / "clip.pt"
            torch.save(entries, clip)
            continue
        official = {f"module.{_vifi_name(key)}": value for key, value in entries.items() if key != TABLE}
        official["module.prompt_learner.complete_text_embeddings"] = torch.zeros(2, 16, 16)
        vifi.append(folder / f"s{seed}.pth")
        torch.save({"model": official, "epoch": 10}, vifi[-1])
    return clip, vifi


def _vifi_name(key: str) -> str:
    if key.startswith("visual."):
        return key.replace("visual.", "image_encoder.", 1)
    return key if key == "logit_scale" else f"text_encoder.{key}"


def _openai_names(model: ViFiCLIP) -> dict[str, Tensor]:
    """The entries of a model as OpenAI's file names them."""
    entries: dict[str, Tensor] = {}
    width = CLIP_SIZE["width"]
    for key, value in model.state_dict().items():
        if not key.startswith("vision_encoder."):
            entries[key.removeprefix("text_encoder.")] = value
            continue
        key = key.removeprefix("vision_encoder.")
        for ours, theirs in _OPENAI_NAMES:
            key = key.replace(ours, theirs)
        if key == "cls_token":
            key, value = "class_embedding", value.view(width)
        elif key == "pos_embed":
            key, value = "positional_embedding", value[0]
        elif key == "head.weight":
            key, value = "proj", value.t()
        entries[f"visual.{key}"] = value
    return entries
