import pytest

from datamodules import SSv2Label, SSv2Template
from tests.helpers.datasets import file_names, put_json, put_videos, queries, set_up

LABELS = [
    {"video": ["81234.webm"], "caption": "lifting a cup with a spoon on it"},
    {"video": ["7.webm"], "caption": "lifting a cup with a spoon on it"},
    {"video": "9.webm", "caption": "Pushing a pen"},
]
TEMPLATES = [
    {"video": ["81234.webm", "7.webm", "9.webm"], "caption": "Lifting [something] with [something] on it"},
    {"video": ["10.webm", "11.webm", "12.webm"], "caption": "Pushing [something] so that it…"},
]


@pytest.mark.parametrize("folder", ["20bn-something-something-v2", "videos", "."])
@pytest.mark.parametrize("suffix", ["webm", "mp4"])
def test_equal_labels_stay_two_queries(tmp_path, caplog, folder, suffix):
    put_videos(tmp_path / folder, *(f"{name}.{suffix}" for name in (81234, 7, 9)))
    put_json(tmp_path / "ssv2_ret_label_val_small.json", LABELS)
    datamodule = set_up(SSv2Label, tmp_path)
    assert [name.split("/")[-1] for name in file_names(datamodule)] == [f"81234.{suffix}", f"7.{suffix}", f"9.{suffix}"]
    cup = "lifting a cup with a spoon on it"
    assert queries(datamodule) == ([cup, cup, "pushing a pen"], [[0], [1], [2]])
    assert "has 3 videos, the published test 2088" in caplog.text


def test_a_template_is_one_query_for_all_its_videos(tmp_path, caplog):
    put_videos(tmp_path / "videos", *(f"{name}.webm" for name in (81234, 7, 9, 10, 11, 12)))
    put_json(tmp_path / "ssv2_ret_template_val_small.json", TEMPLATES)
    datamodule = set_up(SSv2Template, tmp_path)
    texts = ["lifting [something] with [something] on it", "pushing [something] so that it…"]  # brackets stay
    assert queries(datamodule) == (texts, [[0, 1, 2], [3, 4, 5]])
    assert datamodule.records.gt_video_to_texts == [[0], [0], [0], [1], [1], [1]]
    assert "has 6 videos, the published test 2088" in caplog.text
    assert "has 2 texts, the published test 174" in caplog.text


def test_a_template_outlives_some_of_its_videos(tmp_path):
    put_videos(tmp_path / "videos", "7.webm", "12.webm")
    put_json(tmp_path / "ssv2_ret_template_val_small.json", TEMPLATES)
    datamodule = set_up(SSv2Template, tmp_path, missing="skip")
    assert queries(datamodule)[1] == [[0], [1]]
    assert datamodule.coverage.missing == ["81234.webm", "9.webm", "10.webm", "11.webm"]


def test_the_first_videos_keep_their_template(tmp_path):
    put_videos(tmp_path / "videos", *(f"{name}.webm" for name in (81234, 7, 9, 10)))
    put_json(tmp_path / "ssv2_ret_template_val_small.json", TEMPLATES)
    assert queries(set_up(SSv2Template, tmp_path, limit=2))[1] == [[0, 1]]


def test_the_facts_of_the_datasets():
    assert (SSv2Label.max_text_tokens, SSv2Template.max_text_tokens) == (25, 25)
    assert (SSv2Label.test_texts, SSv2Template.test_texts) == (2088, 174)
