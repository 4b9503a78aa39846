"""A format is one class: listed, it reads its files, is named in the log and among those accepted."""

import logging

import pytest

from datamodules.annotations.content import Content
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_files import read_annotation
from datamodules.annotations.retrieval_formats import FORMATS, RetrievalFormat


class Arrows(RetrievalFormat):
    name = "arrows"
    shape = "lines <video> -> <sentence>"

    def recognises(self, content: Content) -> bool:
        return " -> " in "".join(content.lines[:1])

    def read(self, content: Content) -> RetrievalRecords:
        pairs = (line.split(" -> ") for line in content.lines)
        return RetrievalRecords.from_captions((video, [text]) for video, text in pairs)


@pytest.fixture
def arrows(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("a.mp4 -> a cat\n\nb.mp4 -> a dog\n")
    return path


def test_a_format_of_ones_own_is_read_once_it_is_listed(arrows, monkeypatch, caplog):
    with pytest.raises(ValueError, match=r"in no known format: its first line is 'a\.mp4 -> a cat'"):
        read_annotation(arrows)
    monkeypatch.setattr("datamodules.annotations.retrieval_files.FORMATS", [*FORMATS, Arrows()])
    with caplog.at_level(logging.INFO):
        records = read_annotation(arrows)
    assert (records.videos, records.texts) == (["a.mp4", "b.mp4"], ["a cat", "a dog"])
    assert "read as arrows, 2 videos, 2 texts" in caplog.text


def test_no_two_formats_recognise_the_same_file(tmp_path):
    samples = {
        "ActivityNet JSON": '{"v_1": {"sentences": ["a"]}}',
        "JSFUSION CSV": "key,vid_key,video_id,sentence\nret0,msr1,video1,a\n",
        "LSMDC rows": "1_A_00\t1\t2\t3\t4\ta cat\n",
        "MSVD sentences": "vid1\ta cat\n",
        "MSVD descriptions": "a_1_2 a cat\n",
    }
    for name, text in samples.items():
        (tmp_path / "file").write_text(text)
        content = Content(tmp_path / "file")
        assert [known.name for known in FORMATS if known.recognises(content)] == [name]
