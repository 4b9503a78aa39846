import json
import logging

import pytest

from datamodules.annotations.retrieval_files import ACCEPTED_FORMATS, read_annotation

CSV = """key,vid_key,video_id,sentence
ret0,msr7123,video7123,a man folds a paper boat
ret1,msr7020,video7020,"a dog, running"
ret2,msr7021,video7021,a man folds a paper boat
"""


def write(tmp_path, content, name="annotation.json"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_json(tmp_path, content):
    return write(tmp_path, json.dumps(content))


def test_umt_json_with_one_or_many_captions(tmp_path):
    records = read_annotation(
        write_json(
            tmp_path,
            [
                {"video": "b.mp4", "caption": "a man folds", "duration": 12.4},
                {"image": "a.avi", "caption": ["a cat jumps", "a cat jumps"]},
            ],
        )
    )
    assert records.videos == ["b.mp4", "a.avi"]
    assert records.texts == ["a man folds", "a cat jumps", "a cat jumps"]
    assert records.gt_text_to_videos == [[0], [1], [1]]
    assert records.gt_video_to_texts == [[0], [1, 2]]


def test_umt_json_with_several_videos_for_a_text(tmp_path):
    records = read_annotation(write_json(tmp_path, [{"video": ["1.webm", "2.webm"], "caption": "Moving [something]"}]))
    assert records.videos == ["1.webm", "2.webm"]
    assert records.gt_text_to_videos == [[0, 1]]


def test_records_naming_the_same_video_stay_apart_with_a_warning(tmp_path, caplog):
    path = write_json(tmp_path, [{"video": "a.mp4", "caption": "1"}, {"video": "a.mp4", "caption": "2"}])
    with caplog.at_level(logging.WARNING):
        assert read_annotation(path).videos == ["a.mp4", "a.mp4"]
    assert "1 records name a video that an earlier one names" in caplog.text


def test_jsfusion_csv_keeps_the_order_and_repeated_captions(tmp_path):
    records = read_annotation(write(tmp_path, CSV, "list.csv"))
    assert records.videos == ["video7123", "video7020", "video7021"]
    assert records.texts == ["a man folds a paper boat", "a dog, running", "a man folds a paper boat"]


def test_msvd_sentences(tmp_path):
    records = read_annotation(write(tmp_path, "vid2\ta cat jumps\nvid1\ta man\nvid2\tthe cat\tis up\n"))
    assert records.videos == ["vid2", "vid1"]
    assert records.gt_video_to_texts == [[0, 1], [2]]
    assert records.texts == ["a cat jumps", "the cat\tis up", "a man"]


def test_msvd_descriptions_take_the_clips_of_the_split_in_its_order(tmp_path):
    write(tmp_path, "zz_9_12_20\nAb3_x9QkLmN_12_20\n", "test_list.txt")
    content = "# comment\n\nAb3_x9QkLmN_12_20 A cat.\nother_1_2 No.\nzz_9_12_20 Up.\nAb3_x9QkLmN_12_20 The cat.\n"
    records = read_annotation(write(tmp_path, content, "AllVideoDescriptions.txt"))
    assert records.videos == ["zz_9_12_20", "Ab3_x9QkLmN_12_20"]
    assert records.texts == ["Up.", "A cat.", "The cat."]


def test_descriptions_without_the_list_of_the_split_say_what_is_needed(tmp_path):
    path = write(tmp_path, "a_1_2 A cat.\n", "AllVideoDescriptions.txt")
    with pytest.raises(FileNotFoundError, match=r"val_list\.txt"):
        read_annotation(path, split="val")


@pytest.mark.parametrize("content", [CSV, '[{"video": "a", "caption": "ü"}]', "vid1\ta cat\n\nvid2\ta dog\n"])
def test_byte_order_marks_windows_lines_and_blank_lines_change_nothing(tmp_path, content):
    plain = read_annotation(write(tmp_path, content, "plain"))
    windows = "\n" + content.replace("\n", "\r\n") + "\r\n\r\n"
    assert read_annotation(write(tmp_path, b"\xef\xbb\xbf" + windows.encode(), "windows")) == plain


def test_a_caption_is_not_cut_at_rare_separators(tmp_path):
    records = read_annotation(write(tmp_path, "vid1\ta\u2028b\x0cc\nvid2\td\n"))
    assert records.texts == ["a\u2028b\x0cc", "d"]


def test_the_format_is_told_by_content_and_named_in_the_log(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        read_annotation(write(tmp_path, CSV, "misleading.json"))
    assert "read as JSFUSION CSV, 3 videos, 3 texts" in caplog.text


@pytest.mark.parametrize("keys", [("videos", "sentences"), ("annotations", "images")])
def test_msrvtt_json_is_refused_with_the_reason(tmp_path, keys):
    path = write_json(tmp_path, {key: [] for key in keys})
    with pytest.raises(ValueError, match=r"MSR-VTT JSON.*MSRVTT_JSFUSION_test\.csv"):
        read_annotation(path)


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        ("some prose\nand more", "its first line is 'some prose'"),
        ("", "it is empty"),
        ("key,video,caption\n1,2,3", "its first line is"),
        (b"\xff\xfe\x00\x01", "is not UTF-8 text"),
        ('{"v_1": {"timestamps": []}}', "it is a JSON dict with the keys 'v_1'"),
    ],
)
def test_an_unknown_format_is_rejected_with_the_accepted_ones(tmp_path, content, finding):
    with pytest.raises(ValueError, match="is in no known format") as caught:
        read_annotation(write(tmp_path, content))
    assert finding in str(caught.value)
    assert all(name in str(caught.value) for name in ACCEPTED_FORMATS)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"caption": "a"}, "record 2 of 2: key 'video' is missing; it has 'caption'"),
        ({"video": "a.mp4"}, "record 2 of 2: key 'caption' is missing; it has 'video'"),
        ({"video": "a.mp4", "question": "q", "answer": "a"}, "key 'caption' is missing"),
        ({"video": 7, "caption": "a"}, "record 2 of 2: key 'video' must be a text or a list of texts, not 7"),
        ({"video": "a.mp4", "caption": [["a"]]}, "key 'caption' must be"),
        ({"video": "a.mp4", "caption": []}, "key 'caption' must be"),
        ({"video": " ", "caption": "a"}, "key 'video' must be"),
        ("an answer", "record 2 of 2: is a str, expected an object with 'video' and 'caption'"),
    ],
)
def test_a_wrong_json_record_is_named(tmp_path, record, message):
    path = write_json(tmp_path, [{"video": "ok.mp4", "caption": "fine"}, record])
    with pytest.raises(ValueError, match="record 2 of 2") as caught:
        read_annotation(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", ['[{"video": "a"', "[" * 100_000, "[1,]"])
def test_damaged_json_names_the_file(tmp_path, content):
    with pytest.raises(ValueError, match=r"annotation\.json is not valid JSON"):
        read_annotation(write(tmp_path, content))


def test_a_csv_row_with_missing_columns_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"list\.csv, line 3: expected key,vid_key,video_id,sentence"):
        read_annotation(write(tmp_path, CSV.replace("ret1,msr7020,", ""), "list.csv"))


def test_a_sentence_line_of_another_form_is_named(tmp_path):
    with pytest.raises(ValueError, match="line 3: expected a clip and its sentence, found 'vid2 no tab'"):
        read_annotation(write(tmp_path, "vid1\ta\n\nvid2 no tab\n"))


@pytest.mark.parametrize("content", ["[]", CSV.splitlines()[0]])
def test_an_annotation_without_records_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="holds no record"):
        read_annotation(write(tmp_path, content))


def test_an_absent_annotation_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no annotation file .*nowhere\.json"):
        read_annotation(tmp_path / "nowhere.json")


def test_captions_without_a_word_stay_queries_and_are_counted(tmp_path, caplog):
    path = write_json(tmp_path, [{"video": "a.mp4", "caption": ["...", "a cat"]}])
    with caplog.at_level(logging.WARNING):
        assert len(read_annotation(path).texts) == 2
    assert "1 captions are empty once cleaned" in caplog.text


def test_captions_of_a_record_are_joined_only_for_paragraph_datasets(tmp_path):
    path = write_json(tmp_path, [{"video": "a", "caption": ["A man. ", "He goes."]}, {"video": "b", "caption": "Up."}])
    assert read_annotation(path).texts == ["A man. ", "He goes.", "Up."]
    assert read_annotation(path, paragraphs=True).texts == ["A man.  He goes.", "Up."]


def test_a_list_of_ids_is_no_annotation(tmp_path):
    with pytest.raises(ValueError, match="record 1 of 2: is a str, expected an object with 'video' and 'caption'"):
        read_annotation(write_json(tmp_path, ["v_a", "v_b"]))
