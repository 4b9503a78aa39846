import inspect
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import jsonargparse
import lightning as L
import pytest
import torch

from datamodules import MSRVTTQA, MSVDQA, DemoVQA
from datamodules.annotations.question_files import read_answer_list, read_questions
from datamodules.base import Coverage, VideoDataModule
from datamodules.clips.sampling import middle_frames
from datamodules.loading.batches import QuestionBatch
from datamodules.question_answering import QuestionAnsweringDataModule
from tests.datamodules.test_retrieval import Recorder
from tests.helpers.datasets import contents
from tests.helpers.video import encode_video, frame_numbers, numbered_frames

LENGTHS = [29, 7, 48]
# Questions about a video do not stand side by side, and video 1 comes first.
ROWS = [
    (1, "What is he doing?", "singing"),
    (0, "Who's there?", "man"),
    (2, "How many dogs?", "two"),
    (1, "what's it -- a dog/cat?", "T.V. Set"),
    (0, "where is he?", "stage"),
    (1, "when?", "night"),
]
CLEANED = [["what is he doing", "whats it a dog cat", "when"], ["whos there", "where is he"], ["how many dogs"]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three videos of MSR-VTT, six test questions, four training questions about one of them, a list of answers."""
    for number, length in enumerate(LENGTHS):
        encode_video(tmp_path / "videos" / f"video{number}.mp4", numbered_frames(length))
    put(tmp_path / "msrvtt_qa_test.json", umt(ROWS))
    put(tmp_path / "msrvtt_qa_train.json", umt([(2, "q", answer) for answer in ("dog", "cat", "dog", "ape")]))
    put(tmp_path / "msrvtt_qa_answer_list.json", ["man", "singing", "two"])
    return tmp_path


def umt(rows: list[tuple[int, str, str]], first_id: int = 100) -> list[dict[str, Any]]:
    return [
        {"video": f"video{video}.mp4", "question": question, "answer": answer, "question_id": first_id + number}
        for number, (video, question, answer) in enumerate(rows)
    ]


def put(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def make(root: Path, dataset: type = MSRVTTQA, **options: Any) -> Any:
    return dataset(str(root), **({"num_frames": 4, "image_size": 32, "batch_size": 2, "num_workers": 0} | options))


def run(datamodule: Any, stage: str = "test") -> Recorder:
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "max_epochs": 1}
    recorder = Recorder()
    getattr(L.Trainer(accelerator="cpu", enable_model_summary=False, **options), stage)(recorder, datamodule=datamodule)
    return recorder


def listed(batches: list[QuestionBatch], key: str) -> list[Any]:
    return [group for batch in batches for group in getattr(batch, key)]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_video_comes_once_with_all_its_questions(root, num_workers):
    datamodule = make(root, num_workers=num_workers)
    batches = run(datamodule).batches[0]
    asked = {"questions", "question_ids", "answers"}
    assert contents(batches[0]) == {"clips", "index", "broken", "first", "items"} | asked
    assert [(batch.first, batch.items) for batch in batches] == [(0, 2), (2, 1)]
    assert [len(batch.clips) for batch in batches] == [2, 1]
    assert datamodule.records.videos == ["video1.mp4", "video0.mp4", "video2.mp4"]
    assert listed(batches, "questions") == CLEANED
    assert listed(batches, "answers") == [["singing", "T.V. Set", "night"], ["man", "stage"], ["two"]]
    assert listed(batches, "question_ids") == [[100, 103, 105], [101, 104], [102]]
    seen = [frame_numbers(clip) for batch in batches for clip in batch.clips]
    assert seen == [middle_frames(length, 4) for length in (7, 29, 48)]
    assert datamodule.answers == ["man", "singing", "two"]
    assert datamodule.counts() == {"questions": 6, "answers": 3}
    assert datamodule.num_clips == 3


def test_questions_of_broken_videos_are_left_out_and_counted(root):
    (root / "videos" / "video0.mp4").write_bytes(b"not a video\n" * 200)
    datamodule = make(root)
    batches = run(datamodule).batches[0]
    assert listed(batches, "questions") == [CLEANED[0], CLEANED[2]]
    assert datamodule.coverage == Coverage(total=3, missing=[], broken=["video0.mp4"])
    assert datamodule.counts() == {"questions": 4, "answers": 3, "questions left out": 2}


def test_questions_of_missing_videos_are_left_out_and_counted(root):
    (root / "videos" / "video1.mp4").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 3 videos have no file .*: video1.mp4"):
        make(root).setup("test")
    datamodule = make(root, missing="skip")
    assert listed(run(datamodule).batches[0], "questions") == CLEANED[1:]
    assert datamodule.counts() == {"questions": 3, "answers": 3, "questions left out": 3}


def test_limit_takes_the_first_videos_with_all_their_questions(root):
    datamodule = make(root, limit=1)
    assert listed(run(datamodule).batches[0], "questions") == CLEANED[:1]
    assert datamodule.counts() == {"questions": 3, "answers": 3}


def test_the_original_annotation_names_videos_by_their_number(root):
    rows = [
        {"answer": answer, "category_id": 9, "id": 500 + number, "question": question, "video_id": video}
        for number, (video, question, answer) in enumerate(ROWS)
    ]
    (root / "msrvtt_qa_test.json").unlink()
    put(root / "test_qa.json", rows)
    batches = run(make(root)).batches[0]
    assert listed(batches, "questions") == CLEANED
    assert listed(batches, "question_ids") == [[500, 503, 505], [501, 504], [502]]


def test_numbers_of_msvd_count_from_one_and_need_the_mapping(tmp_path):
    for number in (1, 2):
        encode_video(tmp_path / "YouTubeClips" / f"abc_{number}_9.mp4", numbered_frames(7))
    put(tmp_path / "test_qa.json", [{"id": 7, "video_id": 2, "question": "what?", "answer": "dog"}])
    put(tmp_path / "msvd_qa_answer_list.json", ["dog"])
    with pytest.raises(FileNotFoundError, match=r"have no file .*: vid2"):
        make(tmp_path, MSVDQA).setup("test")
    (tmp_path / "youtube_mapping.txt").write_text("abc_1_9 vid1\nabc_2_9 vid2\n")
    datamodule = make(tmp_path, MSVDQA)
    datamodule.setup("test")
    assert [path.name for path in datamodule.test_dataloader().dataset.paths] == ["abc_2_9.mp4"]


@pytest.mark.parametrize("ids", [[5, 5, 6], [None, 5, 6], ["a", "b", "a"]])
def test_ids_that_are_absent_or_repeated_become_positions(tmp_path, ids):
    rows = [{"video": "v.mp4", "question": "q", "answer": "a", "question_id": number} for number in ids]
    (questions,) = read_questions(put(tmp_path / "q.json", rows), "video{}").questions
    found = [question.question_id for question in questions]
    assert len(set(found)) == 3
    if None not in ids:
        assert found == [0, 1, 2]


def test_of_several_answers_the_first_is_scored(root):
    put(root / "msrvtt_qa_test.json", [{"image": "video0.mp4", "question": "q", "answer": ["man", "guy"]}])
    (batch,) = run(make(root)).batches[0]
    assert batch.answers == [["man"]]
    assert batch.question_ids == [[0]]


# The list of answers


def test_a_list_that_is_given_is_used_verbatim(root):
    put(root / "other.json", ["Man ", "a-b"])
    datamodule = make(root, answer_list="other.json")
    datamodule.setup("test")
    assert datamodule.answers == ["Man ", "a-b"]


def test_without_a_list_the_training_answers_make_one_with_a_warning(root, caplog):
    (root / "msrvtt_qa_answer_list.json").unlink()
    datamodule = make(root)
    datamodule.setup("test")
    assert datamodule.answers == ["dog", "ape", "cat"]  # by falling frequency, then by the alphabet
    assert "made of the 3 most frequent answers" in caplog.text
    assert "not the published protocol" in caplog.text


def test_such_a_list_has_at_most_1500_answers(root):
    (root / "msrvtt_qa_answer_list.json").unlink()
    put(root / "msrvtt_qa_train.json", umt([(0, "q", f"answer {number:04}") for number in range(1600)]))
    datamodule = make(root)
    datamodule.setup("test")
    assert datamodule.answers == [f"answer {number:04}" for number in range(1500)]


def test_a_list_made_of_the_answers_to_be_found_is_refused(root):
    (root / "msrvtt_qa_answer_list.json").unlink()
    (root / "msrvtt_qa_train.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no list of answers in .*msrvtt_qa_answer_list.json.*train_qa.json"):
        make(root).setup("test")
    with pytest.raises(ValueError, match=r"it is not made from .*msrvtt_qa_test.json, whose answers are to be found"):
        make(root, train_annotation="msrvtt_qa_test.json").setup("test")
    (root / "msrvtt_qa_train.json").symlink_to(root / "msrvtt_qa_test.json")
    with pytest.raises(ValueError, match="it is not made from"):
        make(root).setup("test")


def test_another_number_of_questions_than_published_is_warned_about(root, caplog):
    make(root).setup("test")
    assert "has 6 questions, the published test 72821" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds no question"),
        (["man"], "is a list of answers, not of questions"),
        ({"videos": []}, "in no known format of questions: it is a JSON dict"),
        ([["a"]], "record 1 of 1: is a list, expected an object with 'video' and 'question' and 'answer'"),
        ([{"video": "a", "question": "q"}], "record 1 of 1: key 'answer' is missing"),
        ([{"question": "q", "answer": "a"}], "key 'video' is missing"),
        ([{"video": ["a", "b"], "question": "q", "answer": "a"}], "key 'video' must hold one text, not 2"),
        ([{"video_id": 1.5, "question": "q", "answer": "a"}], "key 'video' is missing"),
        ([{"video": "a", "question": "q", "answer": 2}], "key 'answer' must be a text"),
    ],
)
def test_a_wrong_annotation_is_named_with_its_place(tmp_path, content, message):
    with pytest.raises(ValueError, match=r"bad\.json") as caught:
        read_questions(put(tmp_path / "bad.json", content), "video{}")
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [[], [1], ["man", " "], {"man": 1}, [{"answer": "man"}]])
def test_a_wrong_list_of_answers_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"bad.json is no list of answers: .*a list of texts"):
        read_answer_list(put(tmp_path / "bad.json", content))


def test_absent_and_damaged_files_are_one_sentence(root):
    (root / "broken.json").write_text('[{"video": ')
    with pytest.raises(ValueError, match=r"broken.json is in no known format of questions: it is not valid JSON"):
        read_questions(root / "broken.json", "video{}")
    with pytest.raises(FileNotFoundError, match=r"answer_list=absent.json: no such file"):
        make(root, answer_list="absent.json").setup("test")
    with pytest.raises(ValueError, match="questions_per_clip=0 must be at least 1"):
        make(root, questions_per_clip=0)


# Training


def test_training_draws_questions_anew_and_repeats_them_where_there_are_few(root):
    L.seed_everything(0)
    datamodule = make(root, train_annotation="msrvtt_qa_test.json", questions_per_clip=2, batch_size=3)
    datamodule.setup("fit")
    drawn: dict[int, Counter] = {0: Counter(), 1: Counter(), 2: Counter()}
    loader = datamodule.train_dataloader()
    for _ in range(20):
        (batch,) = loader
        assert batch.clips.shape == (3, 4, 3, 32, 32)
        for index, questions, answers in zip(batch.index.tolist(), batch.questions, batch.answers):
            assert len(questions) == len(answers) == 2
            drawn[index].update(zip(questions, answers))
    assert len(drawn[0]) == 3  # of three questions, two at a time
    assert all(5 <= count <= 20 for count in drawn[0].values())
    assert drawn[1] == {("whos there", "man"): 20, ("where is he", "stage"): 20}
    assert drawn[2] == {("how many dogs", "two"): 40}


def test_training_gives_a_question_each_of_its_answers_as_often_as_it_is_named(root):
    put(root / "train.json", [{"video": "video0.mp4", "question": "q", "answer": ["a", "b", "b", "b"]}])
    datamodule = make(root, train_annotation="train.json", questions_per_clip=1000, batch_size=1)
    datamodule.setup("fit")
    torch.manual_seed(0)
    (batch,) = datamodule.train_dataloader()
    assert 0.7 < batch.answers[0].count("b") / 1000 < 0.8


def test_validation_is_that_of_its_annotation(root, caplog):
    caplog.set_level(logging.WARNING)
    put(root / "msrvtt_qa_val.json", umt(ROWS[:2]))
    datamodule = make(root, val_annotation="msrvtt_qa_val.json", batch_size=3)
    batches = run(datamodule, "validate").batches[0]
    assert listed(batches, "questions") == [["what is he doing"], ["whos there"]]
    assert "published" not in caplog.text


@pytest.mark.parametrize("datamodule", [MSRVTTQA, MSVDQA, DemoVQA])
def test_every_option_is_explained_on_the_command_line(datamodule):
    parser = jsonargparse.ArgumentParser()
    parser.add_class_arguments(datamodule, "data")
    explained = parser.format_help()
    names = {*inspect.signature(QuestionAnsweringDataModule.__init__).parameters}
    names |= {*inspect.signature(VideoDataModule.__init__).parameters}
    for name in names - {"self", "options"}:
        assert f"--data.{name}" in explained
    assert "Questions about a video in one training step" in explained
