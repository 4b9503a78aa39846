"""``eval.py`` on question answering: MSVD-QA's files and official names in, accuracies and counts out."""

import json
from pathlib import Path

import pytest
import torch

from datamodules import MSVDQA
from datamodules.annotations.text import pre_text
from tests.helpers.command import evaluate, refused
from tests.helpers.tiny_run import IMAGE_SIZE, NUM_FRAMES
from tests.helpers.tiny_run import write_checkpoint as write_retrieval_checkpoint
from tests.helpers.tiny_vqa import (
    ANSWERS,
    NUM_VIDEOS,
    QUESTIONS,
    SIZE,
    naive_answer,
    tiny_model,
    write_checkpoint,
    write_questions,
    write_videos,
    write_vocabulary,
)
from vidtldr.models.umt import UMTTokenizer

CONFIG = """
model: {class_path: vidtldr.tasks.VideoQuestionAnswering, init_args: {k_test: 6, first_words: [what, who, how]}}
data: {class_path: datamodules.MSVDQA}
methods: {base: {}, tome: {r: 2}, vidtldr: {r: [3, 2]}}
"""
TOTAL = NUM_VIDEOS * len(QUESTIONS)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, questions whose true answers are partly those of the model, a vocabulary, a checkpoint."""
    folder = tmp_path_factory.mktemp("vqa")
    write_videos(folder / "msvd")
    write_vocabulary(folder / "vocab.txt")
    write_checkpoint(folder / "vqa.pth")
    (folder / "tiny.yaml").write_text(CONFIG)
    predicted = predictions(folder)
    assert len(set(predicted)) > 3, "the checkpoint answers everything alike, which would show little"
    write_questions(folder / "msvd" / "msvd_qa_test.json", true_answers(predicted))
    return folder


def predictions(folder: Path) -> list[str]:
    """What the model answers, found question by question."""
    write_questions(folder / "msvd" / "msvd_qa_test.json", ["?"] * TOTAL)
    data = MSVDQA(str(folder / "msvd"), num_frames=NUM_FRAMES, image_size=IMAGE_SIZE, num_workers=0)
    data.setup("test")
    model, tokenizer = tiny_model(), UMTTokenizer(folder / "vocab.txt")
    answers = [tokenizer([f"{answer} [SEP]"], pad_to_longest=True)[0][0][:5] for answer in ANSWERS]
    found = []
    with torch.no_grad():
        for batch in data.test_dataloader():
            for tokens in model.encode_video(model.normalize(batch.clips)):
                for question in QUESTIONS:
                    ids, _ = tokenizer([pre_text(question)], pad_to_longest=True)
                    found.append(ANSWERS[naive_answer(model, tokens[None], ids, answers, k=6)])
    return found


def true_answers(predicted: list[str]) -> list[str]:
    """Right for every question about the first two videos, outside the list for the third, else wrong."""
    wrong = [next(answer for answer in ANSWERS if answer != guess) for guess in predicted]
    per_video = len(QUESTIONS)
    return [*predicted[: 2 * per_video], *["Red"] * per_video, *wrong[3 * per_video :]]


@pytest.fixture(scope="module")
def options(workshop: Path) -> list[str]:
    return [
        "--config",
        str(workshop / "tiny.yaml"),
        f"--data.root={workshop / 'msvd'}",
        f"--data.num_frames={NUM_FRAMES}",
        f"--data.image_size={IMAGE_SIZE}",
        "--data.batch_size=2",
        "--data.num_workers=1",
        f"--model.size={json.dumps(SIZE)}",
        f"--model.num_frames={NUM_FRAMES}",
        f"--model.image_size={IMAGE_SIZE}",
        f"--model.tokenizer={workshop / 'vocab.txt'}",
        "--model.max_question_length=12",
        f"--model.checkpoint={workshop / 'vqa.pth'}",
        "--trainer.accelerator=cpu",
    ]


def test_accuracy_is_that_of_every_question_answered_alone(options, tmp_path, capsys):
    results = evaluate(options, tmp_path)
    printed = capsys.readouterr().out
    assert "| method | GFLOPs | accuracy | OOV | Δ base |" in printed
    assert "| method | what ... | who ... | how ... | all | Δ base |" in printed
    assert "5 of 5 videos, 25 questions, 9 answers" in printed
    assert list(results["methods"]) == ["base", "tome", "vidtldr"]
    scores = results["methods"]["base"]["metrics"]
    assert scores == {key: 40.0 for key in ("accuracy", "first_what", "first_who", "first_how")} | {"oov": 20.0}
    for method in results["methods"].values():
        assert method["counts"] == {"questions": 25, "answers": 9}
        assert method["metrics"]["oov"] == 20
        assert method["speed"]["clips_measured"] == 3  # the first batch is a warm-up
    assert results["methods"]["vidtldr"]["gflops"] < results["methods"]["base"]["gflops"]


@pytest.mark.parametrize("batch_size", [1, 5])
def test_accuracy_does_not_depend_on_the_batch(options, tmp_path, batch_size):
    results = evaluate(options, tmp_path, f"--data.batch_size={batch_size}", "--methods=base")
    assert results["methods"]["base"]["metrics"]["accuracy"] == 40


def test_questions_of_a_broken_and_a_missing_video_leave_the_accuracy_and_are_counted(options, workshop, tmp_path):
    root = write_videos(tmp_path / "msvd")
    (root / "msvd_qa_test.json").write_bytes((workshop / "msvd" / "msvd_qa_test.json").read_bytes())
    (root / "YouTubeClips" / "clip0_1_8.mp4").write_bytes(b"not a video" * 200)  # both of these were answered right
    (root / "YouTubeClips" / "clip1_1_8.mp4").unlink()
    more = [f"--data.root={root}", "--data.missing=skip", "--methods=base,vidtldr"]
    results = evaluate(options, tmp_path / "out", *more)
    for method in results["methods"].values():
        assert method["metrics_over_videos"] == "3 of 5"
        assert (method["broken"], method["missing"]) == (["clip0_1_8.mp4"], ["clip1_1_8.mp4"])
        assert method["counts"] == {"questions": 15, "answers": 9, "questions left out": 10}
    assert results["methods"]["base"]["metrics"]["accuracy"] == 0
    assert results["methods"]["base"]["metrics"]["oov"] == pytest.approx(100 / 3)


def test_a_retrieval_checkpoint_is_refused(options, tmp_path, capsys):
    write_retrieval_checkpoint(tmp_path / "umt.pth")
    sentence = refused(options, capsys, f"--model.checkpoint={tmp_path / 'umt.pth'}")
    assert "has no answer decoder: it is a pre-training or retrieval file" in sentence


def test_a_missing_list_of_answers_is_one_sentence(options, workshop, tmp_path, capsys):
    root = write_videos(tmp_path / "msvd")
    (root / "msvd_qa_answer_list.json").unlink()
    (root / "msvd_qa_test.json").write_bytes((workshop / "msvd" / "msvd_qa_test.json").read_bytes())
    sentence = refused(options, capsys, f"--data.root={root}")
    assert sentence.startswith("error: no list of answers in ")
