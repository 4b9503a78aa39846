"""``train.py`` with several processes, accumulation and mixed precision, and after a kill."""

import json
import math
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.helpers import forked, tiny_classes, tiny_run, tiny_vqa
from tests.helpers.accidents import HANGS, KILLS, attempts
from vidtldr.cli.entry import run
from vidtldr.models.checkpoint import read_state_dict

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
ROOT = Path(__file__).parents[2]
CONFIG = """
model:
  class_path: vidtldr.tasks.{model}
  init_args: {{warmup_steps: 1, learning_rate: {learning_rate}}}
data:
  class_path: datamodules.{data}
trainer: {{max_epochs: 2, log_every_n_steps: 1}}
"""


def write_config(folder: Path, model: str, data: str, learning_rate: float = 0.001) -> str:
    """Returns the option that names it."""
    (folder / "tiny.yaml").write_text(CONFIG.format(model=model, data=data, learning_rate=learning_rate))
    return f"--config={folder / 'tiny.yaml'}"


def shape(size: dict) -> list[str]:
    return [
        f"--model.size={json.dumps(size)}",
        f"--model.num_frames={tiny_classes.NUM_FRAMES}",
        f"--model.image_size={tiny_classes.IMAGE_SIZE}",
        "--data.num_workers=1",
        "--trainer.accelerator=cpu",
    ]


@pytest.fixture(scope="module")
def recognition(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options for nine videos: four batches of two, two of four."""
    folder = tmp_path_factory.mktemp("recognition")
    config = write_config(folder, "ActionRecognition", "UCF101", learning_rate=0.01)
    data = ["--data.batch_size=4", f"--data.root={tiny_classes.write_ucf101(folder / 'ucf101')}"]
    return [config, *data, *shape(tiny_classes.VIDEOMAE_SIZE), "--model.num_classes=3", "--model.drop_path=0"]


@pytest.fixture(scope="module")
def retrieval(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options for seven videos: two batches of three."""
    folder = tmp_path_factory.mktemp("retrieval")
    tiny = tiny_run.tiny_options(tiny_run.write_msvd(folder / "msvd"), tiny_run.write_vocabulary(folder / "vocab.txt"))
    tiny = [option for option in tiny if not option.startswith("--methods")]
    return [write_config(folder, "VideoTextRetrieval", "MSVD"), *tiny, "--data.train_annotation=msvd_ret_test.json"]


@pytest.fixture(scope="module")
def question_answering(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("vqa")
    root = tiny_vqa.write_videos(folder / "msvd")
    tiny_vqa.write_questions(root / "msvd_qa_train.json", (list(tiny_vqa.ANSWERS) * 5)[:25])
    data = [f"--data.root={root}", "--data.train_annotation=msvd_qa_train.json", "--data.batch_size=2"]
    vocabulary = f"--model.tokenizer={tiny_vqa.write_vocabulary(folder / 'vocab.txt')}"
    size = [*shape(tiny_vqa.SIZE), "--model.max_question_length=8"]
    return [write_config(folder, "VideoQuestionAnswering", "MSVDQA"), *data, *size, vocabulary]


@pytest.fixture(scope="module")
def base_to_novel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("base2novel")
    (folder / "vocab.txt").write_text("\n".join(tiny_classes.CLIP_WORDS) + "\n")
    clip, _ = tiny_classes.write_clip_checkpoints(folder)
    data = [f"--data.root={tiny_classes.write_base_to_novel(folder / 'ucf101')}", "--data.batch_size=2"]
    model = [f"--model.tokenizer={folder / 'vocab.txt'}", f"--model.checkpoint={clip}"]
    return [write_config(folder, "BaseToNovel", "UCF101BaseToNovel"), *data, *shape(tiny_classes.CLIP_SIZE), *model]


def callbacks(output: Path, **more: dict) -> str:
    """The option that puts a diary and ``more`` callbacks of the helpers into a training."""
    wanted = {**more, "Diary": {"folder": str(output / "diary")}}
    listed = [
        {"class_path": f"tests.helpers.train_callbacks.{name}", "init_args": args} for name, args in wanted.items()
    ]
    return f"--trainer.callbacks={json.dumps(listed)}"


def train(options: list[str], output: Path, *more: str, diary: bool = True) -> list[dict]:
    """Run ``train.py`` in this process; returns the diary."""
    kept = [callbacks(output)] if diary else []
    assert run("vidtldr.cli.train", [*options, *kept, f"--output={output}", *more]) == 0
    return entries(output) if diary else []


def command(options: list[str], output: Path, *more: str) -> subprocess.CompletedProcess:
    """Run ``train.py`` as a user does."""
    arguments = [sys.executable, "train.py", *options, f"--output={output}", *more]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=300)


def train_together(options: list[str], output: Path, *more: str) -> str:
    """Run ``train.py`` in two processes; returns what the first one said."""
    both = forked.train([*options, f"--output={output}", "--trainer.devices=2", *more], output / "said", processes=2)
    assert [process.returncode for process in both] == [0, 0], both
    return both[0].stderr


def entries(output: Path, rank: int = 0) -> list[dict]:
    return [json.loads(line) for line in (output / "diary" / f"{rank}.jsonl").read_text().splitlines()]


def scalars(output: Path) -> dict[str, dict[int, set[float]]]:
    """Every value that TensorBoard has of each step."""
    events = EventAccumulator(str(output / "tensorboard")).Reload()
    found: dict[str, dict[int, set[float]]] = {tag: defaultdict(set) for tag in events.Tags()["scalars"]}
    for tag, steps in found.items():
        for event in events.Scalars(tag):
            steps[event.step].add(event.value)
    return found


def assert_same_weights(one: Path, other: Path, **tolerance: float) -> None:
    first, second = (read_state_dict(output / "weights.safetensors") for output in (one, other))
    assert first.keys() == second.keys()
    for key, value in first.items():
        torch.testing.assert_close(second[key], value, **({"rtol": 0, "atol": 0} | tolerance), msg=key)


RANDOM_STEPS = {
    "recognition": ["--data.val_annotation=testlist01.txt", "--model.mixup=0.8", "--model.drop_path=0.2"],
    # By steps instead of epochs, as the demo's own configs train.
    "retrieval": [
        "--model.guess_words=true",
        "--data.val_annotation=msvd_ret_test.json",
        "--trainer.max_epochs=-1",
        "--trainer.max_steps=8",
        "--trainer.check_val_every_n_epoch=2",
    ],
}


@pytest.mark.parametrize("task", RANDOM_STEPS)
def test_a_killed_training_goes_on_as_if_nothing_had_happened(task, request, tmp_path):
    options = [*request.getfixturevalue(task), *RANDOM_STEPS[task]]
    options += ["--trainer.max_epochs=4"] if task == "recognition" else []
    whole, killed, marker = tmp_path / "whole", tmp_path / "killed", tmp_path / "marker"
    train(options, whole)
    with_kill = [*options, callbacks(killed, KillOnce={"step": 5, "marker": str(marker)})]
    (dead,) = forked.train([*with_kill, f"--output={killed}"], killed)
    assert dead.returncode == -9, dead.stderr
    assert len(entries(killed)) == 4  # the diary of the fifth step was not written any more
    assert not (killed / "weights.safetensors").exists()
    train(with_kill, killed, "--ckpt_path=last", diary=False)

    assert [row["step"] for row in entries(killed)] == [1, 2, 3, 4, 5, 6, 7, 8]  # the checkpoint is of step 4
    assert entries(killed) == entries(whole)
    assert len({row["loss"] for row in entries(whole)}) == 8
    assert scalars(killed) == scalars(whole)
    assert_same_weights(killed, whole)
    best = [torch.load(output / "checkpoints" / "best.ckpt", weights_only=True) for output in (killed, whole)]
    assert best[0]["global_step"] == best[1]["global_step"]
    assert not list((killed / "checkpoints").glob(".*"))


@pytest.fixture(scope="module")
def plain(recognition: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """A training of one process in full precision that nothing happens to: its folder and diary."""
    output = tmp_path_factory.mktemp("plain")
    return output, train(recognition, output)


def test_two_processes_train_as_one_with_their_batches_together(recognition, tmp_path):
    validated = [*recognition, "--data.val_annotation=testlist01.txt"]
    alone = train(validated, tmp_path / "alone")
    output = tmp_path / "two"
    done = command(validated, output, "--data.batch_size=2", "--trainer.devices=2", callbacks(output))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("weights in ") == 1

    pairs = list(zip(alone, entries(output, 0), entries(output, 1), strict=True))
    assert len(pairs) == 4
    for together, *ranks in pairs:
        drawn = {video: clip for row in ranks for video, clip in zip(row["videos"], row["clips"], strict=True)}
        assert len(drawn) == 4  # no video twice
        assert drawn == dict(zip(together["videos"], together["clips"], strict=True))
        assert ranks[0]["seed"] != ranks[1]["seed"]
    for epoch in (0, 1):
        seen = [
            video
            for rank in (0, 1)
            for row in entries(output, rank)
            if row["epoch"] == epoch
            for video in row["videos"]
        ]
        assert len(seen) == len(set(seen)) == 8
    assert_same_weights(output, tmp_path / "alone", rtol=1e-4, atol=1e-5)
    assert scalars(output)["val_top1"] == scalars(tmp_path / "alone")["val_top1"]
    best = [read_state_dict(folder / "checkpoints" / "best.ckpt") for folder in (output, tmp_path / "alone")]
    torch.testing.assert_close(*best, rtol=1e-4, atol=1e-5)


def test_retrieval_trains_on_two_processes(retrieval, tmp_path):
    train_together(retrieval, tmp_path, "--data.batch_size=3", callbacks(tmp_path))
    videos = [{video for row in entries(tmp_path, rank)[:1] for video in row["videos"]} for rank in (0, 1)]
    assert [len(part) for part in videos] == [3, 3]
    assert not videos[0] & videos[1]
    assert all(math.isfinite(row["loss"]) for rank in (0, 1) for row in entries(tmp_path, rank))


def test_a_batch_of_broken_videos_keeps_no_process_waiting(recognition, tmp_path):
    root = tiny_classes.write_ucf101(tmp_path / "ucf101")
    names = ["v_Typing_g01_c01.avi", "v_Typing_g01_c02.avi", "v_Typing_g01_c03.avi"]
    for name in names:
        (root / "UCF-101" / "Typing" / name).write_bytes(b"not a video\n" * 200)
    options = [f"--data.root={root}", "--data.batch_size=1", "--trainer.max_epochs=1", callbacks(tmp_path)]
    said = train_together(recognition, tmp_path, *options)
    steps = list(zip(entries(tmp_path, 0), entries(tmp_path, 1), strict=True))
    assert len(steps) == 4
    broken = [row for pair in steps for row in pair if not row["videos"]]
    assert len(broken) >= 2  # of nine videos, one is left over
    assert {row["loss"] for row in broken} == {0.0}
    assert any(bool(first["videos"]) != bool(second["videos"]) for first, second in steps)
    assert all(row["without_gradient"] == [] and math.isfinite(row["loss"]) for pair in steps for row in pair)
    assert all(value.isfinite().all() for value in read_state_dict(tmp_path / "weights.safetensors").values())
    skipped = [row for row in entries(tmp_path, 0) if not row["videos"]]  # the first process tells
    assert said.count("a training batch is skipped: too few of its videos could be read") == len(skipped)


@pytest.mark.parametrize("processes", [1, 2])
def test_videos_that_kill_or_stop_their_worker_are_named_and_the_others_trained_on(
    processes, recognition, plain, tmp_path
):
    root = tiny_classes.write_ucf101(tmp_path / "ucf101")
    config, *options = recognition
    arguments = [
        *[config, "--data=tests.helpers.accidents.UCF101WithAccidents", *options, f"--data.root={root}"],
        *[f"--data.batch_size={4 // processes}", "--data.decode_timeout=3", f"--trainer.devices={processes}"],
        *[callbacks(tmp_path), f"--output={tmp_path}"],
    ]
    ended = forked.train(arguments, tmp_path / "said", processes)
    assert [process.returncode for process in ended] == [0] * processes, ended

    steps = list(zip(plain[1], *(entries(tmp_path, rank) for rank in range(processes)), strict=True))
    for healthy, *rows in steps:
        expected = dict(zip(healthy["videos"], healthy["clips"], strict=True))
        trained_on = [pair for row in rows for pair in zip(row["videos"], row["clips"], strict=True)]
        assert sorted(trained_on) == sorted((video, expected[video]) for video in {*expected} - {KILLS, HANGS})
        assert all(math.isfinite(row["loss"]) for row in rows)
    for epoch in (0, 1):
        assert {KILLS, HANGS} <= {video for row, *_ in steps if row["epoch"] == epoch for video in row["videos"]}

    typing = root.resolve() / "UCF-101" / "Typing"
    for video, reason in (
        (typing / "v_Typing_g01_c01.avi", "the decoder crashed (Killed, perhaps for lack of memory)"),
        (typing / "v_Typing_g01_c03.avi", "decoding did not end within 3 s"),
    ):
        assert ended[0].stderr.count(f"left out of training: {video}: {reason}\n") == 1
        assert attempts(video).read_text() == "xx", "the second epoch does not try again"


@pytest.mark.parametrize("task", ["retrieval", "question_answering", "base_to_novel"])
def test_every_trained_parameter_has_a_gradient_for_which_processes_wait(task, request, tmp_path):
    rows = train(request.getfixturevalue(task), tmp_path, "--trainer.max_epochs=1")
    assert rows
    assert all(row["without_gradient"] == [] for row in rows)


def test_so_has_every_parameter_of_recognition(plain):
    assert all(row["without_gradient"] == [] for row in plain[1])


def test_accumulated_batches_are_one_step_of_optimiser_and_schedule(recognition, plain, tmp_path):
    (whole, _), parts = plain, tmp_path / "parts"
    rows = train(recognition, parts, "--data.batch_size=2", "--trainer.accumulate_grad_batches=2")
    assert [row["step"] for row in rows] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert_same_weights(parts, whole, rtol=1e-4, atol=1e-5)
    factors = [row["learning_rate"] / rows[0]["learning_rate"] for row in rows[::2]]
    assert factors == pytest.approx([1, *(0.01 + 0.99 * (1 + math.cos(math.pi * n / 3)) / 2 for n in range(3))])
    assert [row["learning_rate"] for row in rows[1::2]] == [row["learning_rate"] for row in rows[::2]]


def test_mixed_precision_trains_weights_of_full_precision(recognition, plain, tmp_path):
    _, full = plain
    mixed = train(recognition, tmp_path / "mixed", "--trainer.precision=bf16-mixed")
    assert [row["clips"] for row in mixed] == [row["clips"] for row in full]
    losses = [[row["loss"] for row in rows] for rows in (mixed, full)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]
    assert {value.dtype for value in read_state_dict(tmp_path / "mixed" / "weights.safetensors").values()} == {
        torch.float32
    }


def test_the_best_checkpoint_is_that_of_the_first_best_validation(recognition, tmp_path):
    train(recognition, tmp_path, "--data.val_annotation=testlist01.txt", "--trainer.max_epochs=6", diary=False)
    scores = [value for _, (value,) in sorted(scalars(tmp_path)["val_top1"].items())]
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert len(scores) == 6
    assert scores[-1] != max(scores), "the last would be the best, which would show little"
    assert best["epoch"] == scores.index(max(scores))
    exported = read_state_dict(tmp_path / "weights.safetensors")
    assert all(torch.equal(best["state_dict"][f"model.{key}"], value) for key, value in exported.items())


def test_training_merges_only_if_asked_to(recognition, plain, tmp_path):
    assert {row["blocks"] for row in plain[1]} == {"Sequential"}
    merging = {
        "class_path": "callbacks.TokenMergeCallback",
        "init_args": {"method": "vidtldr", "options": {"r": [3, 2]}, "training": True},
    }
    rows = train(recognition, tmp_path / "merged", f"--trainer.callbacks+={json.dumps(merging)}")
    assert {row["blocks"] for row in rows} == {"_MergingBlocks"}
    assert {tuple(row["without_gradient"]) for row in rows} == {()}


def test_a_damaged_checkpoint_is_one_sentence(recognition, tmp_path, capsys):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"PK\x03\x04 cut short")
    assert run("vidtldr.cli.train", [*recognition, f"--output={tmp_path}", "--ckpt_path=last"]) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(f"error: cannot go on from {tmp_path}")
