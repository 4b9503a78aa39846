import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer, seed_everything
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules import MSVDQA
from datamodules.loading.batches import QuestionBatch
from tests.helpers.tiny_run import IMAGE_SIZE, NUM_FRAMES
from tests.helpers.tiny_vqa import (
    ANSWERS,
    NUM_VIDEOS,
    QUESTIONS,
    SIZE,
    write_checkpoint,
    write_questions,
    write_videos,
    write_vocabulary,
)
from vidtldr.cli.entry import run
from vidtldr.errors import UserError
from vidtldr.models.checkpoint import read_state_dict
from vidtldr.tasks import VideoQuestionAnswering

TRAINED = """
model:
  class_path: vidtldr.tasks.VideoQuestionAnswering
  init_args:
    {warmup_steps: 2, learning_rate: 0.01, drop_path: 0.0, dropout: 0.0, first_words: [], max_question_length: 12}
data:
  class_path: datamodules.MSVDQA
  init_args:
    {val_annotation: msvd_qa_train.json, questions_per_clip: 5, crop_scale: [1.0, 1.0], cache_training_clips: true}
trainer: {max_epochs: 25, log_every_n_steps: 1, check_val_every_n_epoch: 25}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos whose every question has an answer of its own, a vocabulary, a checkpoint."""
    folder = tmp_path_factory.mktemp("vqa")
    root = write_videos(folder / "msvd")
    for split in ("train", "test"):
        write_questions(root / f"msvd_qa_{split}.json", [*ANSWERS[: len(QUESTIONS)]] * NUM_VIDEOS)
    write_vocabulary(folder / "vocab.txt")
    write_checkpoint(folder / "vqa.pth")
    return folder


def make(folder: Path, **options: Any) -> VideoQuestionAnswering:
    given = {"size": SIZE, "num_frames": NUM_FRAMES, "image_size": IMAGE_SIZE, "tokenizer": str(folder / "vocab.txt")}
    return VideoQuestionAnswering(**(given | {"max_question_length": 12} | options))


def data(folder: Path, **options: Any) -> MSVDQA:
    given = {"num_frames": NUM_FRAMES, "image_size": IMAGE_SIZE, "num_workers": 0, "batch_size": 2}
    return MSVDQA(str(folder / "msvd"), **(given | options))


def scores(module: VideoQuestionAnswering, datamodule: MSVDQA, **options: Any) -> dict[str, float]:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(accelerator="cpu", enable_model_summary=False, **(quiet | options))
    (logged,) = trainer.test(module, datamodule=datamodule, verbose=False)
    return dict(logged)


def test_each_first_word_has_a_score_and_a_table_if_asked_for(folder):
    module = make(folder, checkpoint=str(folder / "vqa.pth"))
    logged = scores(module, data(folder))
    assert set(logged) == {"accuracy", "oov", "first_what", "first_who", "first_how"}  # nothing asks when or where
    assert [table.title for table in module.score_tables] == ["accuracy", "accuracy by the first word of the question"]
    without = make(folder, first_words=())
    assert len(without.score_tables) == 1
    assert set(scores(without, data(folder))) == {"accuracy", "oov"}


def test_answers_are_ranked_in_the_precision_of_the_trainer(folder, monkeypatch):
    module, seen = make(folder), []
    encode = module.model.encode_questions
    monkeypatch.setattr(module.model, "encode_questions", lambda *a: seen.append(encode(*a)) or seen[-1])
    scores(module, data(folder, limit=1), precision="bf16-mixed")
    assert torch.get_autocast_dtype("cpu") == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")
    reference = make(folder)
    reference.load_state_dict(module.state_dict())
    full = []
    encode_full = reference.model.encode_questions
    monkeypatch.setattr(reference.model, "encode_questions", lambda *a: full.append(encode_full(*a)) or full[-1])
    scores(reference, data(folder, limit=1))
    difference = (seen[0].float() - full[0]).abs().max()
    assert 1e-4 < difference < 0.3


def test_a_score_that_is_not_a_number_stops_the_run(folder):
    module = make(folder)
    torch.nn.init.constant_(module.model.text_decoder.head.bias, float("nan"))
    with pytest.raises(UserError, match="an answer has the score NaN"):
        scores(module, data(folder))


def test_loaders_alone_are_refused_even_after_a_test_of_the_same_trainer_with_data(folder):
    module, datamodule = make(folder), data(folder, limit=1)
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    trainer.test(module, datamodule=datamodule, verbose=False)
    with pytest.raises(UserError, match="VideoQuestionAnswering needs a datamodule"):
        trainer.test(module, dataloaders=datamodule.test_dataloader(), verbose=False)


def test_nothing_that_can_be_read_is_one_sentence(folder, tmp_path):
    root = write_videos(tmp_path / "msvd")
    write_questions(root / "msvd_qa_test.json", ["red"] * NUM_VIDEOS * len(QUESTIONS))
    for video in (root / "YouTubeClips").iterdir():
        video.write_bytes(b"not a video" * 200)
    with pytest.raises(UserError, match="nothing is left to evaluate"):
        scores(make(folder), data(tmp_path))


def test_wrong_options_are_quoted(folder):
    with pytest.raises(UserError, match="k_test=0 must be at least 1"):
        make(folder, k_test=0)
    with pytest.raises(UserError, match="max_answer_length=1 at least 2"):
        make(folder, max_answer_length=1)
    with pytest.raises(UserError, match=r"max_question_length=17 .* the 16 positions"):
        make(folder, max_question_length=17)
    with pytest.raises(UserError, match="has 20 tokens, the text encoder knows 9"):
        make(folder, size=SIZE | {"vocab_size": 9})


def test_the_loss_is_the_sum_over_word_pieces_and_the_mean_over_questions(folder):
    module = make(folder, drop_path=0.0, dropout=0.0).eval()
    module.log = lambda *_, **__: None
    clips = torch.randint(0, 256, (2, NUM_FRAMES, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8)
    questions, answers = [["who is red", "how many"], ["what is a box", "who"]], [["red", "two"], ["red box", "one"]]

    def loss(videos: slice, asked: slice) -> torch.Tensor:
        batch = QuestionBatch(
            clips=clips[videos],
            index=torch.arange(2)[videos],
            broken=[],
            first=0,
            items=2,
            questions=[group[asked] for group in questions[videos]],
            answers=[group[asked] for group in answers[videos]],
            question_ids=[],
        )
        return module.training_step(batch, 0)

    one_by_one = [loss(slice(v, v + 1), slice(q, q + 1)) for v in range(2) for q in range(2)]
    torch.testing.assert_close(loss(slice(2), slice(2)), torch.stack(one_by_one).mean(), atol=1e-5, rtol=0)
    for parameter in module.model.text_decoder.head.parameters():
        torch.nn.init.zeros_(parameter)  # every word piece is equally likely
    pieces = 3 * 2 + 3  # of "red", "two", "one" and of "red box", each with [SEP]
    assert loss(slice(2), slice(2)).item() == pytest.approx(pieces / 4 * torch.tensor(float(SIZE["vocab_size"])).log())


@pytest.mark.slow
def test_training_learns_the_answers_and_its_weights_can_be_evaluated(folder, tmp_path):
    (folder / "train.yaml").write_text(TRAINED)
    seed_everything(0)
    options = [f"--config={folder / 'train.yaml'}", f"--data.root={folder / 'msvd'}", "--data.batch_size=5"]
    options += [f"--data.num_frames={NUM_FRAMES}", f"--data.image_size={IMAGE_SIZE}", "--data.num_workers=0"]
    options += [f"--model.num_frames={NUM_FRAMES}", f"--model.image_size={IMAGE_SIZE}", "--trainer.accelerator=cpu"]
    options += [f"--model.size={json.dumps(SIZE)}", f"--model.tokenizer={folder / 'vocab.txt'}"]
    assert run("vidtldr.cli.train", [*options, f"--output={tmp_path}"]) == 0
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = [event.value for event in events.Scalars("train/answers")]
    assert losses[-1] < losses[0] / 2
    assert "val_accuracy" in events.Tags()["scalars"]
    weights = tmp_path / "weights.safetensors"
    best = read_state_dict(tmp_path / "checkpoints" / "best.ckpt")
    assert set(best) == set(read_state_dict(weights))
    logged = scores(make(folder, checkpoint=str(weights)), data(folder))
    assert logged["accuracy"] == pytest.approx(events.Scalars("val_accuracy")[-1].value)
    assert logged["accuracy"] > 50
