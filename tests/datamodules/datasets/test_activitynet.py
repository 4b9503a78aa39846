import logging

import pytest

from datamodules import ActivityNet
from tests.helpers.datasets import file_names, put_json, put_videos, queries, set_up
from tests.helpers.video import frame_numbers

IDS = ("Ab3_x9QkLmN", "-b3_x9QkLmN", "_b3_x9QkLmN", "v_3_x9QkLmN")  # the last three as they do occur
SENTENCES = ["A man waxes a ski.", " He then puts it down."]
PARAGRAPH = "a man waxes a ski he then puts it down"
UMT = [{"video": f"v_{name}.mp4", "caption": SENTENCES} for name in IDS]
ORIGINAL = {
    f"v_{name}": {"duration": 82.7, "timestamps": [[0.8, 19.9], [17.4, 60.8]], "sentences": SENTENCES} for name in IDS
}


@pytest.mark.parametrize(
    ("name", "content", "format_name"),
    [
        ("anet_ret_val_1.json", UMT, "UMT JSON"),
        ("anet_ret_val.json", UMT, "UMT JSON"),
        ("val_1.json", ORIGINAL, "ActivityNet JSON"),
    ],
)
def test_all_sentences_of_a_video_are_one_query(tmp_path, caplog, name, content, format_name):
    put_videos(tmp_path / "videos", *(f"v_{video}.mp4" for video in IDS))
    put_json(tmp_path / name, content)
    with caplog.at_level(logging.INFO):
        datamodule = set_up(ActivityNet, tmp_path)
    assert queries(datamodule) == ([PARAGRAPH] * 4, [[0], [1], [2], [3]])
    assert f"read as {format_name}, 4 videos, 4 texts" in caplog.text
    assert "has 4 videos, the published test 4917" in caplog.text


def test_a_plain_string_is_a_query_as_it_is(tmp_path):
    put_videos(tmp_path / "videos", "v_a.mp4", "v_b.mp4")
    records = [{"video": f"v_{name}.mp4", "caption": "A man.  He waxes."} for name in "ab"]
    put_json(tmp_path / "anet_ret_val_1.json", records)
    assert queries(set_up(ActivityNet, tmp_path)) == (["a man he waxes"] * 2, [[0], [1]])


@pytest.mark.parametrize("on_disk", ["v_{}.mp4", "{}.mkv", "train/v_{}.webm", "val/{}.mp4"])
@pytest.mark.parametrize("asked", ["v_{}.mp4", "{}.mp4"])
def test_the_leading_v_may_be_there_or_not(tmp_path, on_disk, asked):
    put_videos(tmp_path / "videos", *(on_disk.format(name) for name in IDS))
    put_json(tmp_path / "anet_ret_val.json", [{"video": asked.format(name), "caption": "x"} for name in IDS])
    assert file_names(set_up(ActivityNet, tmp_path)) == [f"videos/{on_disk.format(name)}" for name in IDS]


def test_ids_that_look_like_options_are_decoded(tmp_path):
    put_videos(tmp_path, *(f"{name}.mp4" for name in IDS), num_frames=10)
    put_json(tmp_path / "val_1.json", ORIGINAL)
    (batch,) = set_up(ActivityNet, tmp_path).test_dataloader()[0]
    assert [frame_numbers(clip) for clip in batch.clips] == [[0, 3, 5, 8]] * 4


def test_videos_gone_from_the_net_leave_gallery_and_queries(tmp_path):
    put_videos(tmp_path / "videos", f"v_{IDS[1]}.mp4")
    put_json(tmp_path / "val_1.json", ORIGINAL)
    datamodule = set_up(ActivityNet, tmp_path, missing="skip")
    assert (datamodule.num_videos, datamodule.num_texts) == (1, 1)
    assert datamodule.coverage.missing == [f"v_{name}" for name in (IDS[0], *IDS[2:])]


def test_training_captions_are_paragraphs_too(tmp_path):
    put_videos(tmp_path / "videos", *(f"v_{name}.mp4" for name in IDS))
    put_json(tmp_path / "train.json", ORIGINAL)
    datamodule = set_up(ActivityNet, tmp_path, "fit", train_annotation="train.json", batch_size=2)
    assert datamodule.train_dataloader().dataset.captions == [[PARAGRAPH]] * 4


def test_a_blank_sentence_adds_nothing(tmp_path):
    put_videos(tmp_path / "videos", "v_a.mp4")
    put_json(tmp_path / "val_1.json", {"v_a": {"sentences": ["A man.", " ", "A ski."]}})
    assert queries(set_up(ActivityNet, tmp_path))[0] == ["a man a ski"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"timestamps": []}, "key 'sentences' is missing; it has 'timestamps'"),
        ({"sentences": []}, "key 'sentences' must be a text or a list of texts"),
        ({"sentences": [" "]}, "key 'sentences' must be a text or a list of texts"),
        (["a man"], "is a list, expected an object with 'sentences'"),
    ],
)
def test_a_record_without_sentences_is_named(tmp_path, record, message):
    put_json(tmp_path / "val_1.json", {"v_a": {"sentences": ["A man."]}, "v_b": record})
    with pytest.raises(ValueError, match=r"val_1\.json, video 'v_b': ") as caught:
        set_up(ActivityNet, tmp_path)
    assert message in str(caught.value)


def test_the_facts_of_the_dataset():
    assert (ActivityNet.max_text_tokens, ActivityNet.max_seconds) == (150, None)
