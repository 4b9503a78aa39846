import json
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidtldr.errors import UserError
from vidtldr.results.samples import read_samples, write_samples
from vidtldr.tasks import ActionRecognition, BaseToNovel, VideoQuestionAnswering, VideoTextRetrieval

TEXT = st.text(st.characters())  # lone surrogates and line separators too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ROWS = st.lists(st.dictionaries(TEXT.filter(lambda key: key != "method"), VALUES, max_size=4), max_size=4)


@settings(deadline=None)  # it waits for the disk
@given(rows_by_method=st.dictionaries(TEXT, ROWS, max_size=3))
def test_what_is_written_is_read_back(tmp_path_factory, rows_by_method):
    path = tmp_path_factory.getbasetemp() / "samples.jsonl"
    write_samples(path, rows_by_method)
    expected = [{"method": method, **row} for method, rows in rows_by_method.items() for row in rows]
    assert list(read_samples(path)) == expected


def test_a_line_is_an_object_that_begins_with_the_method(tmp_path):
    write_samples(tmp_path / "s.jsonl", {"base": [{"id": "Käse.mp4", "rank": 3}], "tome": [{"id": "b", "rank": 0}]})
    text = (tmp_path / "s.jsonl").read_text(encoding="utf-8")
    assert text == '{"method": "base", "id": "Käse.mp4", "rank": 3}\n{"method": "tome", "id": "b", "rank": 0}\n'


def test_tensors_and_arrays_become_numbers_and_what_is_not_finite_null(tmp_path):
    row = {
        "scores": torch.tensor([0.5, float("nan")]),
        "ranks": np.array([1, 2]),
        "best": np.int64(7),
        "share": np.float32(0.25),
        "deep": [{"low": -np.inf}, (np.float64("nan"), 1)],
    }
    write_samples(tmp_path / "s.jsonl", {"base": [row]})
    (read,) = read_samples(tmp_path / "s.jsonl")
    assert read == {
        "method": "base",
        "scores": [0.5, None],
        "ranks": [1, 2],
        "best": 7,
        "share": 0.25,
        "deep": [{"low": None}, [None, 1]],
    }


def test_a_file_name_that_is_not_utf8_gives_a_file_that_is(tmp_path):
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    write_samples(tmp_path / "s.jsonl", {"base": [{"id": name}]})
    assert json.loads((tmp_path / "s.jsonl").read_bytes().decode("utf-8")) == {"method": "base", "id": name}


def test_a_failed_write_leaves_the_former_file_and_no_rest(tmp_path):
    path = tmp_path / "s.jsonl"
    write_samples(path, {"base": [{"id": 1}]})
    with pytest.raises(TypeError):
        write_samples(path, {"base": [{"id": 2}, {"id": object()}]})
    assert [row["id"] for row in read_samples(path)] == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_row_with_a_method_of_its_own_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a sample of base has a key 'method' of its own"):
        write_samples(tmp_path / "s.jsonl", {"base": [{"method": "tome"}]})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"method": "base", "id": "vid', "is not JSON"),
        (b'{"method": "base", "id": "\xff"}', "is not JSON"),
        (b'{"method": "base", "score": NaN}', "NaN is no number in JSON"),
        (b'{"method": "base", "score": -Infinity}', "-Infinity is no number in JSON"),
        (b'["base"]', "expected an object with the key 'method'"),
        (b'{"id": 1}', "expected an object with the key 'method', found {'id': 1}"),
        (b'{"method": 3}', "expected an object with the key 'method'"),
        (b"", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_bad_line_is_told_with_file_and_number(tmp_path, line, said):
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"method": "base", "id": 0}\n' + line + b"\n")
    rows = read_samples(path)
    assert next(rows) == {"method": "base", "id": 0}
    with pytest.raises(UserError) as raised:
        next(rows)
    assert str(raised.value).startswith(f"{path}, line 2: ")
    assert said in str(raised.value)


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(UserError, match=r"cannot read gone\.jsonl: No such file or directory"):
        list(read_samples(Path("gone.jsonl")))


@pytest.mark.parametrize(
    ("task", "sample", "said"),
    [
        (ActionRecognition, {"video": "a.mp4"}, "it lacks 'rank'"),
        (ActionRecognition, {"rank": 1}, "it lacks 'video'"),
        (VideoTextRetrieval, {"video": "a.mp4", "query": "video", "rank": "first"}, "'<=' not supported"),
        (VideoQuestionAnswering, {"video": "a.mp4", "correct": "yes"}, "was samples.jsonl edited"),
        (BaseToNovel, {"video": "a.mp4", "half": "base", "rank": 1}, "has no number 'seed'"),
        (BaseToNovel, {"video": "a.mp4", "half": "other", "seed": 0, "rank": 1}, "was samples.jsonl edited"),
    ],
)
def test_an_edited_sample_is_one_sentence(task, sample, said):
    with pytest.raises(UserError, match=said) as error:
        task.contributions([sample])
    assert "\n" not in str(error.value)


def test_samples_are_counted_by_their_video():
    rows = [("b", 1), ("a", 2), ("b", 1), ("b", 5)]
    found = ActionRecognition.contributions([{"video": video, "rank": rank} for video, rank in rows])
    assert found.clusters == ("b", "a")
    assert found.hits.tolist() == [[2], [0]]
    assert found.counts.tolist() == [[3], [1]]
