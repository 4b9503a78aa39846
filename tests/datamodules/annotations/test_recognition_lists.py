import json
import logging

import pytest

from datamodules.annotations.class_files import read_class_index, read_label_csv, read_template_labels
from datamodules.annotations.recognition_lists import read_class_list, read_recognition_list

CLASS_INDEX = "1 ApplyEyeMakeup\r\n2 HandstandPushups\r\n3 Typing\r\n"
LABELS = {"Lifting something": "1", "Approaching something with your camera": "0", "Tilting something": "2"}
SSV2 = [
    {"id": "81234", "label": "lifting a cup", "template": "Lifting [something]", "placeholders": ["a cup"]},
    {"id": "7", "label": "x", "template": "Approaching [something] with your camera", "placeholders": ["x"]},
]


@pytest.fixture
def write(tmp_path):
    def write(content, name="list.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def ucf(write):
    """Writes a list beside classInd.txt."""
    write(CLASS_INDEX, "classInd.txt")
    return write


def read(path):
    records = read_recognition_list(path)
    return records.videos, records.labels


def test_an_official_test_list_takes_the_class_from_the_folder_in_any_case(ucf):
    path = ucf("Typing/v_Typing_g01_c01.avi\r\n\r\nHandStandPushups/v_HandStandPushups_g01_c01.avi\r\n")
    records = read_recognition_list(path)
    assert records.videos == ["Typing/v_Typing_g01_c01.avi", "HandStandPushups/v_HandStandPushups_g01_c01.avi"]
    assert records.labels == [2, 1]
    assert records.class_names == ["ApplyEyeMakeup", "HandstandPushups", "Typing"]
    assert records.num_classes == 3


def test_an_official_training_list_is_counted_from_one(ucf, caplog):
    caplog.set_level(logging.INFO)
    path = ucf("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\nTyping/v_Typing_g08_c01.avi 3\n")
    assert read(path)[1] == [0, 2]
    assert "classes counted from 1" in caplog.text


@pytest.mark.parametrize("folder", ["Typing/", "UCF101/videos/Typing/", "/data/Typing/", ""])
def test_a_headerless_list_beside_the_class_index_is_counted_from_zero(ucf, folder):
    path = ucf(f"{folder}v_Typing_g01_c01.avi 2\n{folder}v_Typing_g01_c02.avi 2")
    assert read(path) == ([f"{folder}v_Typing_g01_c01.avi", f"{folder}v_Typing_g01_c02.avi"], [2, 2])


def test_the_class_index_may_lie_in_another_folder(write, tmp_path):
    (tmp_path / "official").mkdir()
    write(CLASS_INDEX, "official/classInd.txt")
    path = write("Typing/a.avi\n")
    assert read_recognition_list(path, [tmp_path / "absent", tmp_path / "official"]).labels == [2]
    with pytest.raises(FileNotFoundError, match=r"has no labels: classInd.txt"):
        read_recognition_list(path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("Typing/a.avi 2\nTyping/b.avi 1\nTyping/c.avi 2\n", "line 2: label 1 .*'Typing/b.avi'.*1 of 3 lines do"),
        ("ApplyEyeMakeup/a.avi 1\nTyping/b.avi 3\nTyping/c.avi 2\n", "line 3: label 2 .*'Typing/c.avi'"),
        (
            "v_HandStandPushups_g01_c01.avi 0\n",
            "line 1: label 0 of 'v_HandStand.* contradicts its class HandstandPushups, number 2 in",
        ),
        ("clip.avi 0\nclip.avi 3\n", r"line 2: label 3 .* too large for 3 classes counted from 0"),
        ("clip.avi 1\nclip.avi 2\n", "labels start at 1"),
        ("Typing/a.avi\nJuggling/b.avi\n", "line 2: expected '<class>/<video>'"),
        ("Typing/a.avi\nTyping/b.avi 2\n", "line 2: expected '<class>/<video>'"),
        ("Typing/a.avi 2\nTyping/b.avi\n", "line 2: expected '<video> <class number>', found 'Typing/b.avi'"),
    ],
)
def test_a_label_that_contradicts_the_class_index_is_refused_with_its_line(ucf, lines, message):
    path = ucf(lines)
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize("separator", [" ", ",", ";", "\t", ", "])
def test_lines_are_split_once_from_the_right(write, separator):
    path = write(f"\ufeffmy clips/a, b;c 1.avi{separator}0\r\n\r\nx/y.mp4{separator}2\r\n")
    assert read(path) == (["my clips/a, b;c 1.avi", "x/y.mp4"], [0, 2])
    assert read_recognition_list(path).num_classes == 3
    assert read_recognition_list(path).class_names is None


def test_the_empty_column_of_two_spaces_is_no_column(write):
    assert read(write("/data/a.mp4  0\n/data/b.mp4  4\n", "test.csv")) == (["/data/a.mp4", "/data/b.mp4"], [0, 4])


def test_equal_names_in_different_folders_stay_apart(write):
    assert read(write("one/v.avi 0\ntwo/v.avi 1\n"))[0] == ["one/v.avi", "two/v.avi"]


def test_names_without_a_suffix_and_with_dots_stay_whole(write):
    assert read(write("81234 0\na.b.c 1\n"))[0] == ["81234", "a.b.c"]


@pytest.mark.parametrize("separator", [" ", ",", ";"])
def test_folders_of_frames_are_refused_by_their_three_columns(write, separator):
    path = write(f"v/81234{separator}30{separator}5\nv/7{separator}48{separator}0\n")
    with pytest.raises(ValueError, match="lists folders of frames"):
        read(path)


def test_labels_from_one_are_refused_and_not_taken_as_labels_from_zero(write):
    with pytest.raises(ValueError, match=r"labels start at 1, but classes are counted from 0"):
        read(write("a.avi 1\nb.avi 2\n"))


@pytest.mark.parametrize("content", ["", "\n \r\n", b"\xef\xbb\xbf"])
def test_an_empty_list_is_refused(write, content):
    with pytest.raises(ValueError, match="holds no record"):
        read(write(content))


@pytest.mark.parametrize("line", ["a.avi label", "a.avi", "path label", '{"a": 1}', " 3"])
def test_an_unknown_format_is_refused_with_the_accepted_ones(write, line):
    with pytest.raises(ValueError, match=r"in no known format: found .*; accepted are UCF101 test list"):
        read(write(line))


@pytest.mark.parametrize("label", ["1.5", "1e3", "²"])
def test_a_label_that_is_no_whole_number_is_refused_with_its_line(write, label):
    with pytest.raises(ValueError, match=r"list\.txt, line 2: expected '<video> <class number>'"):
        read(write(f"a.avi 0\nb.avi {label}\n"))


def test_a_file_that_is_no_text_is_refused(write):
    with pytest.raises(ValueError, match=r"is not UTF-8 text \(byte 2\)"):
        read(write(b"ab\xff"))


def test_an_absent_list_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no annotation file .*absent\.txt"):
        read(tmp_path / "absent.txt")


@pytest.mark.parametrize("name", ["labels.json", "something-something-v2-labels.json"])
def test_ssv2_classes_are_templates_without_their_brackets(write, name):
    write(json.dumps(LABELS), name)
    records = read_recognition_list(write(json.dumps(SSV2), "validation.json"))
    assert records.videos == ["81234", "7"]
    assert records.labels == [1, 0]
    assert records.class_names[2] == "Tilting something"
    assert records.num_classes == 3


def test_the_unlabelled_test_part_of_ssv2_is_refused(write):
    write(json.dumps(LABELS), "labels.json")
    with pytest.raises(ValueError, match="the test part of SSv2 is published without them"):
        read(write('[{"id": "1"}, {"id": "2"}]', "test.json"))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([SSV2[0], {"id": "3", "template": "Throwing [it]"}], "record 2 of 2: template 'Throwing it' is no class of"),
        ([SSV2[0], {"id": "3"}], "record 2 of 2: expected an object with 'id' and 'template'"),
        ([SSV2[0], "x"], "record 2 of 2: expected an object"),
        ([], "holds no record"),
    ],
)
def test_an_ssv2_record_of_another_shape_is_named(write, records, message):
    write(json.dumps(LABELS), "labels.json")
    with pytest.raises(ValueError, match=message):
        read(write(json.dumps(records), "validation.json"))


def test_ssv2_without_its_class_file_is_refused(write):
    with pytest.raises(FileNotFoundError, match=r"labels.json or something-something-v2-labels.json, which numbers"):
        read(write(json.dumps(SSV2), "validation.json"))


def test_a_list_beside_the_ssv2_class_file_has_its_names_and_bounds(write):
    write(json.dumps(LABELS), "labels.json")
    records = read_recognition_list(write("81234.webm 1\n7.webm 2\n", "val.csv"))
    assert records.class_names[1] == "Lifting something"
    with pytest.raises(ValueError, match=r"line 1: label 3 of '81234.webm' is too large for 3 classes"):
        read(write("81234.webm 3\n", "val.csv"))


def test_invalid_json_is_named(write):
    with pytest.raises(ValueError, match=r"is not valid JSON"):
        read(write("[1,", "validation.json"))
    with pytest.raises(ValueError, match=r"nested too deeply"):
        read(write("[" * 100_000, "validation.json"))


def test_a_list_with_its_own_class_names_knows_no_other_numbering(ucf):
    records = read_class_list(ucf("v_Typing_g01_c01.avi 0\nv_ApplyEyeMakeup_g01_c01.avi 1\n"), ["Typing", "Other"])
    assert (records.labels, records.class_names) == ([0, 1], ["Typing", "Other"])
    with pytest.raises(ValueError, match=r"label 2 .* too large for 2 classes"):
        read_class_list(ucf("a.avi 2\n"), ["Typing", "Other"])
    with pytest.raises(ValueError, match="in no known format"):
        read_class_list(ucf("Typing/a.avi\n"), ["Typing", "Other"])


def test_class_names_of_a_csv_come_without_carriage_returns_and_with_their_commas(write):
    path = write('\ufeffid,name\r\n0,Typing\r\n1,"Pushing, then pulling"\r\n\r\n')
    assert read_label_csv(path) == ["Typing", "Pushing, then pulling"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,name\r\n0,a\r\n2,b\r\n", r"line 3: expected '1,<class>', found '2,b'"),
        ("id,name\n1,a\n", "line 2: expected '0,<class>'"),
        ("id,name\n0,a,b\n", "line 2"),
        ("id,name\n0,\n", "line 2"),
        ("0,Typing\n", "expected the header id,name, found '0,Typing'"),
        ("", "expected the header id,name"),
    ],
)
def test_a_csv_whose_ids_are_not_positions_is_refused(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_label_csv(write(content, "labels.csv"))


@pytest.mark.parametrize("content", ["0 A\n1 B\n", "1 A\n3 B\n", "1 A\n2\n", "A\n"])
def test_a_class_index_with_gaps_is_refused(write, content):
    with pytest.raises(ValueError, match=r"line \d: expected '\d <class>'"):
        read_class_index(write(content))


@pytest.mark.parametrize("labels", [{"a": "1"}, {"a": "0", "b": "0"}, {"a": "0", "b": "x"}, ["a"]])
def test_template_labels_with_gaps_are_refused(write, labels):
    with pytest.raises(ValueError, match=r"expected an object|must have the numbers 0 to"):
        read_template_labels(write(json.dumps(labels)))
