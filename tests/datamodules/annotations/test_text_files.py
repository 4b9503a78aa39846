"""Lines of text files, and every text annotation with the line ends of three systems."""

import pytest

from datamodules.annotations.retrieval_files import read_annotation
from datamodules.annotations.text_files import split_lines
from datamodules.datasets import msvd

ANNOTATIONS = {
    "jsfusion": ["key,vid_key,video_id,sentence", 'ret0,msr1,video1,"a man, alone"', "ret1,msr2,video2,a cat"],
    "sentences": ["vid1\ta man", "vid2\ta cat"],
    "descriptions": ["# comment", "ab_1_2 a man", "c_3_4 a cat"],
    "lsmdc": ["1_Film_0\t0:1\t0:2\t0:1\t0:2\ta man", "1_Film_1\t0:1\t0:2\t0:1\t0:2\ta cat"],
}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb\n", ["a", "b", ""]),
        ("a\r\nb\r\n", ["a", "b", ""]),
        ("a\rb\r", ["a", "b", ""]),
        ("one\rcaption\nb", ["one\rcaption", "b"]),
        ("a\x0bb\u2028c", ["a\x0bb\u2028c"]),
        ("", [""]),
    ],
)
def test_a_carriage_return_ends_a_line_only_where_nothing_else_does(text, lines):
    assert split_lines(text) == lines


@pytest.mark.parametrize("name", ANNOTATIONS)
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_captions_do_not_depend_on_line_ends(tmp_path, name, end):
    read = []
    for line_end in ("\n", end):
        (tmp_path / "a.txt").write_bytes("".join(line + line_end for line in ANNOTATIONS[name]).encode())
        (tmp_path / "test_list.txt").write_bytes(f"ab_1_2{line_end}c_3_4{line_end}".encode())
        read.append(read_annotation(tmp_path / "a.txt"))
    assert read[0] == read[1]
    assert len(read[0].videos) == len(read[0].texts) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_clips_of_msvd_are_mapped_whatever_the_line_ends(tmp_path, end):
    (tmp_path / "youtube_mapping.txt").write_bytes(f"ab_1_2 vid1{end}c_3_4 vid2{end}".encode())
    datamodule = msvd.MSVD(str(tmp_path))
    assert list(datamodule.video_aliases("c_3_4")) == ["vid2", "video1"]
