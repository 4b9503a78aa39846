import logging

import pytest

from datamodules.annotations.class_files import read_class_index, read_label_csv

CLASSES = ["Apply Eye Makeup", "Pushing, then pulling", "Typing"]


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", ", "\t\t", "  "])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_class_index_has_a_blank_a_tab_or_a_comma_after_the_number(tmp_path, caplog, separator, quote, end):
    caplog.set_level(logging.INFO)
    path = tmp_path / "classInd.txt"
    lines = (f"{number}{separator}{quote}{name}{quote}{end}" for number, name in enumerate(CLASSES, start=1))
    path.write_bytes("".join(lines).encode())
    assert read_class_index(path) == CLASSES
    assert ("read with tabs between" in caplog.text) == ("\t" in separator)
    assert ("read with commas between" in caplog.text) == ("," in separator)


@pytest.mark.parametrize("line", ['2,"Typing', '2,"Typing" x', "2,", '2,""', "2Typing", "1,Typing"])
def test_a_line_of_a_class_index_without_a_whole_name_is_named(tmp_path, line):
    path = tmp_path / "classInd.txt"
    path.write_text(f"1,Apply\n{line}\n")
    with pytest.raises(ValueError, match=r"classInd\.txt, line 2: expected '2 <class>', found"):
        read_class_index(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_label_csv_may_have_any_line_ends(tmp_path, end):
    path = tmp_path / "labels.csv"
    path.write_bytes(end.join(["id,name", "0,Typing", '1,"Pushing, then pulling"', ""]).encode())
    assert read_label_csv(path) == ["Typing", "Pushing, then pulling"]
