import json
import re
from pathlib import Path

import pytest

from datamodules import DemoVQA
from datamodules.annotations.text import pre_text
from datamodules.demo import write_question_vocabulary, write_vocabulary
from datamodules.demo.__main__ import main
from datamodules.demo.pictures.scenes import COLOURS, SHAPES
from datamodules.demo.sets.production import ensure
from datamodules.demo.sets.questions import QUESTIONS, QUESTIONS_VERSION
from datamodules.demo.sets.retrieval import SPLITS
from datamodules.demo.words.grammar import added_words
from datamodules.demo.words.questions import answer_list, make_questions, question_words

SCENES = [QUESTIONS.scene(split, index) for split in SPLITS for index in range(60)]
COLOUR, SHAPE = rf"(?P<colour>{'|'.join(COLOURS)})", rf"(?P<shape>{'|'.join(SHAPES)})"
DIRECTIONS = ("left", "right", "up", "down")
# What a question asks of the one object that it names.
ASKED = {
    rf"what (is the )?color (is the|of the) {SHAPE}": lambda thing: thing.colour,
    rf"(what|which) shape is {COLOUR}": lambda thing: thing.shape,
    rf"what is the shape of the {COLOUR} object": lambda thing: thing.shape,
    rf"what is the ({COLOUR} )?{SHAPE} doing": lambda t: "moving" if t.motion in DIRECTIONS else t.motion,
    rf"(which way|where) does the {COLOUR} {SHAPE} (move|go)": lambda thing: thing.motion,
    rf"when does the ({COLOUR} )?{SHAPE} (appear|come into view)": lambda t: "later" if t.late else "at first",
}


def truth(scene, question):
    """The answer, read off the scene by another way than the generator's."""
    if question.startswith("how many"):
        return {1: "one", 2: "two"}[len(scene.things)]
    if question.endswith("appears later"):
        (late,) = [thing for thing in scene.things if thing.first_frame > 0]
        return f"{late.colour} {late.shape}"
    ((match, fact),) = [(m, fact) for form, fact in ASKED.items() if (m := re.fullmatch(form, question))]
    named = {key: value for key, value in match.groupdict().items() if value}
    (thing,) = [thing for thing in scene.things if all(getattr(thing, key) == value for key, value in named.items())]
    return fact(thing)


def test_every_answer_is_true_of_its_scene():
    for scene in SCENES:
        for question, answer in make_questions(scene):
            assert answer == truth(scene, pre_text(question)), (question, scene.things)


def test_directions_are_asked_only_of_what_moves_that_way():
    for scene in SCENES:
        asked = [answer for question, answer in make_questions(scene) if question.startswith(("which way", "where"))]
        assert asked == [thing.motion for thing in scene.things if thing.motion in DIRECTIONS]


def test_every_answer_is_in_the_list_and_nearly_all_of_the_list_occurs():
    answers = answer_list()
    assert len(set(answers)) == len(answers) == 102
    given = {answer for scene in SCENES for _, answer in make_questions(scene)}
    assert given <= set(answers)
    assert {answer for answer in answers if answer.split()[0] not in COLOURS} <= given


def test_questions_begin_with_the_words_that_the_demo_breaks_down_by():
    words = {question.split()[0] for scene in SCENES for question, _ in make_questions(scene)}
    assert words == {"what", "which", "how", "when", "where"}


def test_questions_of_a_scene_stay_as_they_are():
    assert make_questions(SCENES[3]) == make_questions(SCENES[3])
    assert QUESTIONS_VERSION == 1  # raise it when the next line changes: trained weights depend on the questions
    assert make_questions(QUESTIONS.scene("test", 1))[:3] == [
        ("how many shapes are there in the video?", "two"),
        ("what color is the ring?", "yellow"),
        ("what shape is yellow?", "ring"),
    ]


def test_the_vocabulary_covers_questions_and_answers_and_begins_with_that_of_plain_captions(tmp_path):
    write_vocabulary(tmp_path / "vocab.txt")
    write_question_vocabulary(tmp_path / "vqa_vocab.txt")
    captions, questions = (
        (tmp_path / name).read_text(encoding="utf-8").splitlines() for name in ("vocab.txt", "vqa_vocab.txt")
    )
    plain = captions[: -len(added_words())]
    assert questions[: len(plain)] == plain
    assert len(set(questions)) == len(questions)
    assert set(question_words()) <= set(questions)
    said = [pre_text(text) for scene in SCENES for pair in make_questions(scene) for text in pair]
    assert {word for text in said for word in text.split()} <= set(questions)
    stored = Path(__file__).parents[4] / "configs" / "demo" / "vqa_vocab.txt"
    assert stored.read_bytes() == (tmp_path / "vqa_vocab.txt").read_bytes()


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    ensure(QUESTIONS, root, ("test",), num_videos={"test": 2}, processes=1)
    return root


def test_videos_and_questions_are_written_once(demo):
    before = {path.name: path.stat().st_mtime_ns for path in demo.rglob("[!.]*") if path.is_file()}
    assert main(["--set", "vqa", "--root", str(demo), "--test", "2"]) == 0
    assert {path.name: path.stat().st_mtime_ns for path in demo.rglob("[!.]*") if path.is_file()} == before
    videos = {"demo_test_0000.mp4", "demo_test_0001.mp4"}
    assert set(before) == videos | {"demo_vqa.json", "msvd_qa_test.json", "msvd_qa_answer_list.json"}
    records = json.loads((demo / "msvd_qa_test.json").read_text())
    asked = [(f"demo_test_{i:04}.mp4", *pair) for i in range(2) for pair in make_questions(QUESTIONS.scene("test", i))]
    assert [(record["video"], record["question"], record["answer"]) for record in records] == asked
    assert [record["question_id"] for record in records] == list(range(len(asked)))
    assert json.loads((demo / "msvd_qa_answer_list.json").read_text()) == answer_list()


def test_the_datamodule_reads_them(demo, monkeypatch):
    datamodule = DemoVQA(str(demo), num_frames=4, image_size=32, num_workers=0)
    monkeypatch.setattr(
        "datamodules.demo.datamodules.question_answering.prepare", lambda *_, **__: None
    )  # would make all 240 videos
    datamodule.prepare_data()
    datamodule.setup("test")
    (batch,) = datamodule.test_dataloader()
    assert batch.questions[1][0] == pre_text(make_questions(QUESTIONS.scene("test", 1))[0][0])
    assert datamodule.answers == answer_list()
