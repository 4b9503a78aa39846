import os
import pickle
from collections import OrderedDict

import pytest

from datamodules.annotations.retrieval_files import read_annotation

CAPTIONS = {
    "b_9_1_5": [["a", "cat", "jumps"], ["the", "cat"]],
    "a-_2_7": [["a", "man"]],
    "train_1_2": [["not", "wanted"]],
}


class Payload:
    """Runs a command when it is unpickled by a loader that trusts its input."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def dump(tmp_path, content, protocol=4):
    (tmp_path / "test_list.txt").write_text("a-_2_7\r\nb_9_1_5\r\n")
    path = tmp_path / "raw-captions.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_captions_of_the_split_are_read_from_every_pickle_protocol(tmp_path, protocol):
    records = read_annotation(dump(tmp_path, CAPTIONS, protocol))
    assert records.videos == ["a-_2_7", "b_9_1_5"]
    assert records.texts == ["a man", "a cat jumps", "the cat"]
    assert records.gt_video_to_texts == [[0], [1, 2]]


def test_sentences_that_are_not_split_into_words_are_read_too(tmp_path):
    records = read_annotation(dump(tmp_path, {"a-_2_7": ["a man"], "b_9_1_5": ("a cat",)}))
    assert records.texts == ["a man", "a cat"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("nested", [False, True])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, protocol, nested):
    marker = tmp_path / "was_run"
    content = {"a-_2_7": [Payload(marker)]} if nested else Payload(marker)
    with pytest.raises(ValueError, match=r"refused|no known format"):
        read_annotation(dump(tmp_path, content, protocol))
    assert not marker.exists()


@pytest.mark.parametrize("name", ["eval", "exec", "getattr", "__import__", "open", "print"])
def test_no_function_among_the_builtins_is_admitted(tmp_path, name):
    path = tmp_path / "raw-captions.pkl"
    path.write_bytes(b"\x80\x04c__builtin__\n" + name.encode() + b"\n(X\x01\x00\x00\x00ttR.")
    with pytest.raises(ValueError, match=f"it asks for builtins.{name}|it asks for __builtin__.{name}"):
        read_annotation(path)


def test_other_classes_are_named_in_the_refusal(tmp_path):
    with pytest.raises(ValueError, match=r"it asks for collections\.OrderedDict"):
        read_annotation(dump(tmp_path, OrderedDict(CAPTIONS)))


@pytest.mark.parametrize("content", [["a", "b"], {"a": "text"}, {"a": [3]}, {"a": [[3]]}, {3: [["a"]]}])
def test_a_pickle_of_another_shape_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"raw-captions\.pkl: expected"):
        read_annotation(dump(tmp_path, content))


@pytest.mark.parametrize("kept", [1, 2, 10, 50])
def test_a_damaged_pickle_is_refused(tmp_path, kept):
    path = dump(tmp_path, CAPTIONS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"raw-captions\.pkl"):
        read_annotation(path)


def test_listed_clips_without_captions_are_named(tmp_path):
    path = dump(tmp_path, {"a-_2_7": [["a"]]})
    with pytest.raises(ValueError, match=r"no caption for 1 clips of .*test_list\.txt: 'b_9_1_5'"):
        read_annotation(path)
