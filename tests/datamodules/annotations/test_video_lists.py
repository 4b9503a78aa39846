"""Lists as csv.writer and spreadsheets write them, and what is refused because it may mean two things."""

import csv
import io
import logging

import pytest

from datamodules.annotations.recognition_lists import read_class_list, read_recognition_list

NAMES = ["a.avi", "my clips/a, b;c 1.avi", 'the "big" one.mp4', '"quoted" first.avi', "two  spaces.avi", " 7.avi"]
ROWS = [(name, label) for label, name in enumerate(NAMES)]


@pytest.fixture
def write(tmp_path):
    def write(content, name="list.txt"):
        path = tmp_path / name
        path.write_bytes(content.encode())
        return path

    return write


def table(rows, separator, quoting=csv.QUOTE_MINIMAL):
    """Text of a table, written by another CSV library than ours: the one of Python."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator, quoting=quoting).writerows(rows)
    return text.getvalue()


def read(path):
    records = read_recognition_list(path)
    return list(zip(records.videos, records.labels, strict=True))


def read_with_names(path):
    records = read_class_list(path, NAMES)
    return list(zip(records.videos, records.labels, strict=True))


@pytest.mark.parametrize("read_list", [read, read_with_names])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_ALL])
@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("header", [[], [("path", "label")], [("filename", "class_id")]])
def test_what_a_csv_library_writes_is_read_back(write, caplog, read_list, quoting, separator, header):
    caplog.set_level(logging.INFO)
    rows = [(name.strip(), label) for name, label in ROWS]
    assert read_list(write(table(header + rows, separator, quoting))) == rows
    assert f"list separated by {separator!r} with quoted fields" in caplog.text
    assert ("a header line" in caplog.text) == bool(header)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("heads", [[""], ["Unnamed: 0"], ["index"], ["", "Unnamed: 0"]])
@pytest.mark.parametrize("first", [0, 17])
def test_an_index_column_with_a_header_is_left_out(write, caplog, quoting, separator, heads, first):
    caplog.set_level(logging.INFO)
    rows = [(*[first + count] * len(heads), name.strip(), label) for count, (name, label) in enumerate(ROWS)]
    path = write(table([(*heads, "video", "label"), *rows], separator, quoting))
    assert read(path) == [(name.strip(), label) for name, label in ROWS]
    assert "a header line and a pandas index" in caplog.text


def test_numeric_names_beside_an_index_are_names_because_the_header_says_so(write):
    assert read(write(",id,label\n0,81234,5\n1,7,0\n")) == [("81234", 5), ("7", 0)]


def test_a_row_without_its_index_is_named(write):
    with pytest.raises(ValueError, match=r"line 3: expected '<index>,<video>,<class number>', found 'b.mp4,1'"):
        read(write(",path,label\n0,a.mp4,0\nb.mp4,1\n"))


@pytest.mark.parametrize("lines", ["0,a.mp4,3\n1,b.mp4,0\n", "1 a.mp4 3\n2 b.mp4 0\n", "0,30,5\n1,48,0\n"])
def test_a_first_column_that_counts_the_lines_without_a_header_is_refused(write, lines):
    with pytest.raises(ValueError, match=r"list\.txt: its first column counts its lines and may be an index or a part"):
        read(write(lines))


def test_numbers_that_do_not_count_the_lines_belong_to_the_names(write):
    assert read(write("3 a.mp4 0\n1 b.mp4 2\n")) == [("3 a.mp4", 0), ("1 b.mp4", 2)]
    assert read(write("0  3\n1  0\n")) == [("0", 3), ("1", 0)]


@pytest.mark.parametrize(
    "lines",
    [
        "v/81234,30,5\nv/7,48,0\n",
        '"v a/81234" 30 5\n"v b/7" 48 0\n',
        "dir,num_frames,label\nv/81234,30,5\n",
        ",dir,num_frames,label\n0,v/81234,30,5\n",
        ",dir,total_frames,label\n0,v/81234,30,5\n",
    ],
)
def test_folders_of_frames_are_refused_whatever_stands_around_them(write, lines):
    with pytest.raises(ValueError, match="lists folders of frames"):
        read(write(lines))


def test_quoted_names_that_end_in_a_number_are_no_folders_of_frames(write):
    assert read(write('"my clip 1" 0\n"my clip 2" 1\n')) == [("my clip 1", 0), ("my clip 2", 1)]


def test_a_header_of_more_columns_is_refused_with_their_names(write):
    with pytest.raises(ValueError, match=r"list\.txt: its header names the columns 'path', 'split', 'label': two are"):
        read(write("path,split,label\na.mp4,test,0\n"))


@pytest.mark.parametrize("first", ["a.avi label", "Typing/a label", r"Typing\a label", "a.avi cat"])
def test_a_video_without_a_class_number_is_not_taken_for_a_header(write, first):
    with pytest.raises(ValueError, match="in no known format: found"):
        read(write(f"{first}\nb.avi 0\n"))


@pytest.mark.parametrize("line", ['"a.mp4,1', '"a"b.mp4,1', '"a" b,1'])
def test_quotes_that_are_not_those_of_a_csv_are_named(write, line):
    with pytest.raises(ValueError, match=r"line 2: its quotes are not those of a CSV"):
        read(write(f'"x, y.mp4",0\n{line}\n'))


def test_a_quoted_name_has_no_part_outside_its_quotes(write):
    with pytest.raises(ValueError, match=r"line 2: expected '<video> <class number>', found '\"Hello\" he said.mp4 1'"):
        read(write('"x y.mp4" 0\n"Hello" he said.mp4 1\n'))


def test_a_quote_within_an_unquoted_name_is_a_letter(write):
    assert read(write('5" screen, big.mp4,0\nthe "old" one 3.mp4,1\n')) == [
        ('5" screen, big.mp4', 0),
        ('the "old" one 3.mp4', 1),
    ]


@pytest.mark.parametrize(
    "lines", ["1.webm;-1\n2.webm;-1\n", "path label\n1.webm -1\n2.webm -1\n", "1.webm -1\n2.webm 3\n"]
)
@pytest.mark.parametrize("read_list", [read, read_with_names])
def test_hidden_labels_are_refused_and_the_validation_list_is_pointed_to(write, lines, read_list):
    num_hidden = lines.count("-1")
    message = (
        rf"list\.txt: {num_hidden} of 2 labels are -1, which stands for the hidden labels of a test .* validation list"
    )
    with pytest.raises(ValueError, match=message):
        read_list(write(lines))


def test_old_mac_line_ends_are_line_ends(write):
    assert read(write("\ufeffa b.avi 0\rc.avi 2\r")) == [("a b.avi", 0), ("c.avi", 2)]
    with pytest.raises(ValueError, match=r"line 3: expected '<video> <class number>', found 'c.avi'"):
        read(write("a.avi 0\rb.avi 1\rc.avi\r"))


@pytest.mark.parametrize("labels", [("", ""), (" 2", " 3")])
@pytest.mark.parametrize("suffix", ["", ".avi"])
@pytest.mark.parametrize("separator", ["/", "\\"])
def test_lists_of_ucf101_with_any_separators_and_without_suffixes(write, caplog, labels, suffix, separator):
    caplog.set_level(logging.INFO)
    write("1,ApplyEyeMakeup\n2,HandstandPushups\n3,Typing\n", "classInd.txt")
    videos = [f"HandStandPushups/v_HandStandPushups_g01_c01{suffix}", f"Typing/v_Typing_g02_c01{suffix}"]
    videos = [video.replace("/", separator) for video in videos]
    path = write("".join(f"{video}{label}\n" for video, label in zip(videos, labels, strict=True)))
    assert read(path) == [(videos[0], 1), (videos[1], 2)]
    assert ("Windows separators" in caplog.text) == (separator == "\\")
    assert ("names without a suffix" in caplog.text) == (not suffix and not labels[0])


def test_a_test_list_of_ucf101_may_have_quotes_and_a_header(write, caplog):
    caplog.set_level(logging.INFO)
    write("1 ApplyEyeMakeup\n2 Typing\n", "classInd.txt")
    assert read(write('path\n"Typing/v_Typing_g02_c01.avi"\n"Typing/a, b.avi"\n')) == [
        ("Typing/v_Typing_g02_c01.avi", 1),
        ("Typing/a, b.avi", 1),
    ]
    assert "UCF101 test list with quoted fields and a header line" in caplog.text


def test_a_test_list_without_suffixes_still_wants_its_class_index(write):
    with pytest.raises(FileNotFoundError, match=r"has no labels: classInd\.txt"):
        read(write("Typing/v_Typing_g02_c01\n"))
    with pytest.raises(ValueError, match="in no known format"):
        read(write("some/words\n"))


def test_a_video_with_two_classes_is_found_though_its_separators_differ(write):
    with pytest.raises(ValueError, match="stands there with two classes, 0 and 2"):
        read(write("one/v.avi 0\none\\v.avi 2\n"))


def test_absolute_paths_of_windows_tell_the_class_by_their_folder(write):
    write("1 ApplyEyeMakeup\n2 Typing\n", "classInd.txt")
    with pytest.raises(ValueError, match="contradicts its class Typing"):
        read(write("D:\\data\\UCF-101\\Typing\\a.avi 1\nD:\\data\\UCF-101\\Typing\\b.avi 0\n"))
