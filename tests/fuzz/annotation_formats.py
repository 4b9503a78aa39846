"""A sound example of each format of annotation, and how it is read."""

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.annotations.class_files import read_class_index, read_label_csv, read_label_map, read_template_labels
from datamodules.annotations.hmdb51_splits import read_hmdb51_splits
from datamodules.annotations.question_files import read_answer_list, read_questions
from datamodules.annotations.question_records import QuestionRecords
from datamodules.annotations.recognition_lists import read_class_list, read_recognition_list
from datamodules.annotations.records import RecognitionRecords, RetrievalRecords
from datamodules.annotations.retrieval_files import read_annotation
from datamodules.annotations.video_files import VideoFiles

CLIPS = ("Ab3_x9QkLmN_12_20", "zz_9_12_20")
SENTENCES = ("a man folds a paper boat", "a dog, running", "the cat\tis up")
CLASSES = ("ApplyLipstick", "Typing", "HandstandPushups")


@dataclass(frozen=True)
class Format:
    """A format of annotation.

    Attributes:
        files: By name, content of a sound example: bytes, or a value to be written as JSON.
        read: Reads the example in a folder.
    """

    files: dict[str, Any]
    read: Callable[[Path], Any]

    def write(self, folder: Path, name: str | None = None, content: bytes = b"") -> None:
        """Write the example, one of its files with another content."""
        for own_name, own in self.files.items():
            whole = own if isinstance(own, bytes) else json.dumps(own).encode()
            (folder / own_name).write_bytes(content if own_name == name else whole)


def check(value: Any, videos: VideoFiles) -> None:
    """Fail if what was read has not the shape that the rest of the program relies on."""
    if isinstance(value, RetrievalRecords):
        _check_retrieval(value)
    elif isinstance(value, QuestionRecords):
        assert value.videos
        assert len(set(value.videos)) == len(value.videos) == len(value.questions)
        ids = [question.question_id for of_video in value.questions for question in of_video]
        assert len(set(ids)) == len(ids)
        for question in (question for of_video in value.questions for question in of_video):
            assert_texts([question.text, *question.answers])
    elif isinstance(value, RecognitionRecords):
        assert len(value.videos) == len(value.labels) > 0
        assert all(type(label) is int and 0 <= label < value.num_classes <= 10**6 for label in value.labels)
        assert_texts(value.class_names or [])
    else:
        assert_texts(value)
    for name in getattr(value, "videos", []):
        assert_texts([name])
        _check_lookup(name, videos)


def _check_lookup(name: str, videos: VideoFiles) -> None:
    try:
        found = videos.find(name)
    except ValueError as error:
        message = f"{type(error).__name__}: {error}"
        if not message.startswith("ValueError: video ") or not message.isprintable():
            raise AssertionError(f"looking for {name!r}: {message}") from error
    else:
        assert found is None or found.name == "a.mp4"


def assert_texts(values: Any) -> None:
    """Texts that can be printed, written to a file and given to a tokenizer."""
    assert isinstance(values, list)
    for value in values:
        assert type(value) is str
        value.encode()


def _check_retrieval(records: RetrievalRecords) -> None:
    assert records.videos
    assert_texts(records.texts)
    assert len(records.gt_text_to_videos) == len(records.texts)
    assert len(records.gt_video_to_texts) == len(records.videos)
    for text, positions in enumerate(records.gt_text_to_videos):
        assert positions
        assert all(text in records.gt_video_to_texts[position] for position in positions)


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


_TEST_LIST = _lines(*CLIPS)
_CLASS_INDEX = _lines(*(f"{number} {name}" for number, name in enumerate(CLASSES, start=1)))
_UCF = [f"{name}/v_{name}_g01_c0{clip}.avi" for name in CLASSES for clip in (1, 2)]
_TEMPLATES = {"Moving something up": "0", "Pushing something": "1"}
_SSV2 = [
    {"id": "74225", "label": "moving a pen up", "template": "Moving [something] up", "placeholders": ["a pen"]},
    {"id": "116154", "label": "pushing a cup", "template": "Pushing [something]", "placeholders": ["a cup"]},
]

FORMATS = {
    "umt": Format(
        {"a.json": [{"video": "a.mp4", "caption": list(SENTENCES)}, {"image": "b.avi", "caption": "a cat"}]},
        lambda folder: read_annotation(folder / "a.json"),
    ),
    "jsfusion": Format(
        {
            "a.csv": _lines(
                "key,vid_key,video_id,sentence",
                "ret0,msr7123,video7123,a man folds",
                'ret1,msr7020,a,"a dog, running"',
                "ret2,msr7021,video7021,a cat",
            )
        },
        lambda folder: read_annotation(folder / "a.csv"),
    ),
    "sentences": Format(
        {"a.txt": _lines("vid2\ta cat jumps", "vid1\ta man", "vid2\tthe cat\tis up")},
        lambda folder: read_annotation(folder / "a.txt"),
    ),
    "descriptions": Format(
        {
            "a.txt": _lines("# comment", *(f"{clip} {text}" for clip in CLIPS for text in SENTENCES)),
            "test_list.txt": _TEST_LIST,
        },
        lambda folder: read_annotation(folder / "a.txt"),
    ),
    **{
        f"pickle {protocol}": Format(
            {
                "a.pkl": pickle.dumps({clip: [text.split() for text in SENTENCES] for clip in CLIPS}, protocol),
                "test_list.txt": _TEST_LIST,
            },
            lambda folder: read_annotation(folder / "a.pkl"),
        )
        for protocol in (0, 2, 4)
    },
    "activitynet": Format(
        {
            "a.json": {
                "v_1": {"duration": 9.5, "timestamps": [[0, 4.2], [5, 9]], "sentences": list(SENTENCES[:2])},
                "v_2": {"duration": 3.0, "timestamps": [[0, 3]], "sentences": ["a cat"]},
            }
        },
        lambda folder: read_annotation(folder / "a.json", paragraphs=True),
    ),
    "didemo": Format(
        {
            "a.json": [
                {"annotation_id": 3, "video": "1@N00_2_a.mov", "description": "a dog", "times": [[0, 0], [1, 1]]},
                {"annotation_id": 4, "video": "1@N00_3_b.avi", "description": "a cat", "times": [[0, 0]]},
            ]
        },
        lambda folder: read_annotation(folder / "a.json", paragraphs=True),
    ),
    "lsmdc": Format(
        {
            "a.csv": _lines(
                *(
                    f"1_Film_00.0{clip}.54.175-00.01.06.115\t00:01:54\t00:01:55\t00:01:54\t00:01:55\t{text}"
                    for clip, text in enumerate(("SOMEONE walks.", "A door opens."))
                )
            )
        },
        lambda folder: read_annotation(folder / "a.csv"),
    ),
    "questions": Format(
        {
            "a.json": [
                {"video": "a.mp4", "question": "what is it?", "answer": "cat", "question_id": 7},
                {"video": "b.mp4", "question": "who is it?", "answer": ["man", "boy"], "question_id": "q8"},
            ]
        },
        lambda folder: read_questions(folder / "a.json", "video{}"),
    ),
    "original questions": Format(
        {"a.json": [{"id": n, "video_id": n // 2, "question": "what?", "answer": "a cat"} for n in range(3)]},
        lambda folder: read_questions(folder / "a.json", "video{}"),
    ),
    "answers": Format({"a.json": ["man", "woman", "a red box"]}, lambda folder: read_answer_list(folder / "a.json")),
    "ucf test": Format(
        {"a.txt": _lines(*_UCF), "classInd.txt": _CLASS_INDEX}, lambda folder: read_recognition_list(folder / "a.txt")
    ),
    "ucf train": Format(
        {
            "a.txt": _lines(*(f"{video} {number // 2 + 1}" for number, video in enumerate(_UCF))),
            "classInd.txt": _CLASS_INDEX,
        },
        lambda folder: read_recognition_list(folder / "a.txt"),
    ),
    "list": Format(
        {"a.csv": _lines("a.mp4,0", "b c.mp4,2", "d.mp4,1")}, lambda folder: read_recognition_list(folder / "a.csv")
    ),
    **{
        f"list, {form}": Format({"a.csv": content}, lambda folder: read_recognition_list(folder / "a.csv"))
        for form, content in {
            "quoted": _lines('"a, b.mp4",0', '"a ""c"".mp4",2', "d.mp4,1"),
            "quoted, parted by spaces": _lines("filename label", '"a b.mp4" 0', '"c 1.mp4" 2'),
            "header": _lines("path;label", "a.mp4;0", "b c.mp4;2"),
            "pandas": _lines(",path,label", '0,"a, b.mp4",0', "4,b.mp4,2", "7,d.mp4,1"),
            "old Mac": b"a.mp4\t0\rb.mp4\t2\r",
            "of Windows": _lines("D:\\data\\one\\a.mp4 0", "two\\b.mp4 2", "\\\\host\\c.mp4 1"),
            "of another machine": _lines("/home/them/data/one/a.mp4 0", "/home/them/a.mp4 2"),
        }.items()
    },
    "ucf test without suffixes": Format(
        {
            "a.txt": _lines(*(video.removesuffix(".avi").replace("/", "\\") for video in _UCF)),
            "classInd.txt": _CLASS_INDEX.replace(b" ", b"\t"),
        },
        lambda folder: read_recognition_list(folder / "a.txt"),
    ),
    "class index with commas": Format(
        {"classInd.txt": _lines('1,"Typing, fast"', "2, YoYo", "3,Biking")},
        lambda folder: read_class_index(folder / "classInd.txt"),
    ),
    "ssv2": Format(
        {"a.json": _SSV2, "labels.json": _TEMPLATES}, lambda folder: read_recognition_list(folder / "a.json")
    ),
    "kinetics": Format(
        {
            "a.csv": _lines(
                "label,youtube_id,time_start,time_end,split,is_cc",
                "Typing,-3B32lodo2M,59,69,validate,0",
                '"ApplyLipstick",a,7,17,validate,1',
                "handstandpushups,a_b-3,119,129,train,0",
            ),
            "map.txt": _lines(*CLASSES),
        },
        lambda folder: read_recognition_list(folder / "a.csv", class_files=["map.txt"]),
    ),
    "label map": Format(
        {"map.txt": _lines(*CLASSES, '"Typing, fast"')}, lambda folder: read_label_map(folder / "map.txt")
    ),
    "hmdb51": Format(
        {f"{name}_test_split1.txt": _lines(f"{name} (1)_a.avi 1 ", "a.avi 2 ", "b [x].avi 0 ") for name in CLASSES},
        lambda folder: read_hmdb51_splits(folder, 1, "test"),
    ),
    "class list": Format(
        {"a.txt": _lines("a.avi 0", "b.avi 1", "c.avi 2")},
        lambda folder: read_class_list(folder / "a.txt", list(CLASSES)),
    ),
    "class index": Format({"classInd.txt": _CLASS_INDEX}, lambda folder: read_class_index(folder / "classInd.txt")),
    "template labels": Format({"labels.json": _TEMPLATES}, lambda folder: read_template_labels(folder / "labels.json")),
    "label csv": Format(
        {"a.csv": _lines("id,name", *(f"{number},{name}" for number, name in enumerate(CLASSES)))},
        lambda folder: read_label_csv(folder / "a.csv"),
    ),
}
