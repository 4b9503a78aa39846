"""Every task as a whole command on a handful of videos, one of them broken."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.helpers import threads, tiny_classes, tiny_run, tiny_towers, tiny_vqa
from vidtldr.cli.paths import PROJECT_DIR

_VQA_CONFIG = """
model: {class_path: vidtldr.tasks.VideoQuestionAnswering, init_args: {k_test: 6, first_words: [what, who, how]}}
data: {class_path: datamodules.MSVDQA}
methods: {base: {}, tome: {r: 2}, vidtldr: {r: [3, 2]}}
"""
_DUAL_CONFIG = """
inherit: clip_b16_msrvtt_dual.yaml
model: {init_args: {backbone: auto}}
data: {class_path: datamodules.MSVD}
"""


def retrieval(folder: Path) -> list[str]:
    """Ten videos with three captions each."""
    tiny_run.write_msvd(folder / "data", num_videos=10, captions=3)
    _break(folder / "data" / "YouTubeClips" / "clip4_1_8.mp4")
    vocabulary = tiny_run.write_vocabulary(folder / "vocab.txt")
    checkpoint = tiny_run.write_checkpoint(folder / "weights.pth")
    options = tiny_run.tiny_options(folder / "data", vocabulary)
    return ["--config=umt_b_msvd.yaml", *options, f"--model.checkpoint={checkpoint}", "--data.text_batch_size=4"]


def recognition(folder: Path) -> list[str]:
    """Nine videos in six views each."""
    tiny_classes.write_ucf101(folder / "data")
    _break(next((folder / "data").rglob("*Typing*.*i")))
    checkpoint = tiny_classes.write_videomae_checkpoint(folder / "weights.pth")
    size = json.dumps(tiny_classes.VIDEOMAE_SIZE)
    options = [f"--model.size={size}", "--model.num_classes=3", "--data.batch_size=16", *_classes_options()]
    return [
        "--config=videomae_b_ucf101.yaml",
        f"--data.root={folder / 'data'}",
        f"--model.checkpoint={checkpoint}",
        *options,
    ]


def base_to_novel(folder: Path) -> list[str]:
    """Sixteen videos of four classes, models of two seeds."""
    tiny_classes.write_base_to_novel(folder / "data", videos_per_class=4)
    _break(next((folder / "data").rglob("*Typing*.*i")))
    clip, checkpoints = tiny_classes.write_clip_checkpoints(folder, seeds=2)
    (folder / "vocab.txt").write_text("\n".join(tiny_classes.CLIP_WORDS) + "\n")
    return [
        "--config=vifi_clip_ucf101_base2novel.yaml",
        f"--data.root={folder / 'data'}",
        "--data.batch_size=3",
        f"--model.checkpoint={json.dumps([str(path) for path in checkpoints])}",
        f"--model.token_embedding={clip}",
        f"--model.size={json.dumps(tiny_classes.CLIP_SIZE)}",
        f"--model.tokenizer={folder / 'vocab.txt'}",
        *_classes_options(),
    ]


def question_answering(folder: Path) -> list[str]:
    """Five videos with five questions each."""
    tiny_vqa.write_videos(folder / "data")
    _break(sorted((folder / "data").rglob("*.mp4"))[2])
    total = tiny_vqa.NUM_VIDEOS * len(tiny_vqa.QUESTIONS)
    tiny_vqa.write_questions(folder / "data" / "msvd_qa_test.json", (list(tiny_vqa.ANSWERS) * total)[:total])
    (folder / "tiny.yaml").write_text(_VQA_CONFIG)
    return [
        f"--config={folder / 'tiny.yaml'}",
        f"--data.root={folder / 'data'}",
        "--data.batch_size=2",
        "--data.num_workers=1",
        f"--model.checkpoint={tiny_vqa.write_checkpoint(folder / 'weights.pth')}",
        f"--model.size={json.dumps(tiny_vqa.SIZE)}",
        f"--model.tokenizer={tiny_vqa.write_vocabulary(folder / 'vocab.txt')}",
        f"--model.num_frames={tiny_run.NUM_FRAMES}",
        f"--model.image_size={tiny_run.IMAGE_SIZE}",
        "--model.max_question_length=8",
        "--trainer.accelerator=cpu",
    ]


def dual_retrieval(folder: Path) -> list[str]:
    """Seven videos with two captions each, a CLIP of transformers."""
    tiny_run.write_msvd(folder / "data")
    _break(folder / "data" / "YouTubeClips" / "clip4_1_8.mp4")
    tiny_towers.write_hugging_face(folder / "clip", "clip")
    (folder / "tiny.yaml").write_text(_DUAL_CONFIG)
    return [
        f"--config={folder / 'tiny.yaml'}",
        f"--data.root={folder / 'data'}",
        f"--model.checkpoint={folder / 'clip'}",
        "--data.batch_size=2",
        "--data.text_batch_size=4",
        *_classes_options(),
    ]


def zero_shot(folder: Path) -> list[str]:
    """Nine videos of three classes in two views each, a SigLIP of transformers."""
    tiny_classes.write_ucf101(folder / "data")
    _break(next((folder / "data").rglob("*Typing*.*i")))
    tiny_towers.write_hugging_face(folder / "siglip", "siglip")
    return [
        "--config=clip_b16_ucf101_zero_shot.yaml",
        f"--data.root={folder / 'data'}",
        f"--model.checkpoint={folder / 'siglip'}",
        "--model.backbone=auto",
        "--data.num_crops=2",
        "--data.batch_size=4",
        *_classes_options(),
    ]


TASKS: dict[str, Callable[[Path], list[str]]] = {
    task.__name__: task
    for task in (retrieval, recognition, base_to_novel, question_answering, dual_retrieval, zero_shot)
}


def command(options: Sequence[str], output: Path, *more: str) -> list[str]:
    """``eval.py`` in full precision."""
    script = str(PROJECT_DIR / "eval.py")
    return [sys.executable, script, *options, "--trainer.precision=32-true", f"--output={output}", *more]


def environment(**more: str) -> dict[str, str]:
    """This process's own without what concerns several processes, and one thread for each."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MASTER_", "WORLD_", "LOCAL_RANK"))}
    return kept | threads.ENVIRONMENT | more


def run(argv: Sequence[str], *, timeout: float = 300) -> subprocess.CompletedProcess:
    """Run to the end."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, env=environment())


def outcome(output: Path) -> tuple[dict, bytes]:
    """What the only run below a folder came to: everything in ``results.json`` but the measurements; the samples."""
    (folder,) = output.iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert results["finished"]
    assert not (folder / "work").exists()
    for method in results["methods"].values():
        for measured in ("seconds", "memory", "speed"):
            del method[measured]
    return results["methods"], (folder / "samples.jsonl").read_bytes()


def _classes_options() -> list[str]:
    return [
        "--data.num_workers=1",
        f"--model.num_frames={tiny_classes.NUM_FRAMES}",
        f"--model.image_size={tiny_classes.IMAGE_SIZE}",
        "--trainer.accelerator=cpu",
        "--methods.tome.r=1",
        "--methods.vidtldr.r=[2,1]",
    ]


def _break(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1500])
