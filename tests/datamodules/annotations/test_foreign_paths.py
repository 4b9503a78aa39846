import json
import logging
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from datamodules import UCF101
from datamodules.annotations.foreign_paths import is_absolute, tail_parts, with_slashes
from datamodules.annotations.question_files import read_questions
from datamodules.annotations.recognition_lists import read_recognition_list
from datamodules.annotations.retrieval_files import read_annotation

WINDOWS = [r"D:\data\UCF-101\Typing\v.avi", r"\\server\share\v.avi", r"Typing\v.avi", "v.avi", r"c:\v.avi"]
POSIX = ["/home/them/v.avi", "Typing/./v.avi", "v.avi", "/v.avi"]


@pytest.mark.parametrize("path", WINDOWS)
def test_paths_of_windows_are_parted_as_windows_parts_them(path):
    assert is_absolute(with_slashes(path)) == PureWindowsPath(path).is_absolute()
    tail = PureWindowsPath(path).parts[1:] if path[1] == ":" else PureWindowsPath(path).as_posix().strip("/").split("/")
    assert tail_parts(with_slashes(path)) == list(tail)


@pytest.mark.parametrize("path", POSIX)
def test_paths_of_unix_are_parted_as_unix_parts_them(path):
    assert is_absolute(path) == PurePosixPath(path).is_absolute()
    assert tail_parts(path) == [part for part in PurePosixPath(path).parts if part != "/"]


@pytest.mark.parametrize(
    ("record", "read"),
    [
        ({"caption": "a cat"}, read_annotation),
        ({"question": "what?", "answer": "a cat"}, lambda path: read_questions(path, "video{}")),
    ],
)
def test_windows_separators_of_a_json_annotation_are_told(tmp_path, caplog, record, read):
    caplog.set_level(logging.INFO)
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"video": "one/a.mp4", **record}]))
    read(path)
    assert "Windows separators" not in caplog.text
    path.write_text(json.dumps([{"video": r"one\a.mp4", **record}]))
    assert read(path).videos == [r"one\a.mp4"]
    assert "with Windows separators" in caplog.text


def test_the_ids_of_ssv2_may_be_paths_of_windows(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "labels.json").write_text('{"Lifting something": "0"}')
    (tmp_path / "a.json").write_text(json.dumps([{"id": r"videos\7.webm", "template": "Lifting [something]"}]))
    assert read_recognition_list(tmp_path / "a.json").labels == [0]
    assert "SSv2 JSON with Windows separators" in caplog.text


@pytest.mark.parametrize("prefix", ["/home/them/data/UCF-101/", "D:\\data\\UCF-101\\"])
def test_the_list_of_another_machine_is_evaluated_as_that_of_this_one(tmp_path, caplog, prefix):
    caplog.set_level(logging.INFO)
    names = ["Typing/v_Typing_g01_c01.avi", "YoYo/v_YoYo_g01_c01.avi"]
    for name in names:
        path = tmp_path / "UCF-101" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(2000))
    (tmp_path / "classInd.txt").write_text("1 Typing\n2 YoYo\n")
    asked = [prefix + (name.replace("/", "\\") if "\\" in prefix else name) for name in names]
    (tmp_path / "theirs.csv").write_text("".join(f"{name},{label}\n" for label, name in enumerate(asked)))
    datamodule = UCF101(str(tmp_path), annotation="theirs.csv", num_workers=0)
    datamodule.setup("test")
    assert datamodule.records.labels == [0, 1]
    assert datamodule._paths[0] == [tmp_path / "UCF-101" / name for name in names]
    assert "2 of 2 names are paths of another machine: looked for by their ends" in caplog.text
