import logging

import pytest

from datamodules import LSMDC
from tests.helpers.datasets import file_names, put_json, put_videos, queries, set_up

MOVIE = "0099_Some_Film"
CLIPS = (f"{MOVIE}_00.01.02.003-00.01.05.006", f"{MOVIE}_00.01.05.006-00.01.09.120")
SENTENCES = ('SOMEONE opens the "door.', "He's in.")


def row(clip, sentence):
    start, end = clip.rpartition("_")[2].split("-")
    return "\t".join((clip, start, end, start, end, sentence))


ROWS = "".join(f"{row(clip, sentence)}\n" for clip, sentence in zip(CLIPS, SENTENCES, strict=True))
UMT = [{"video": f"{MOVIE}/{clip}.avi", "caption": sentence} for clip, sentence in zip(CLIPS, SENTENCES, strict=True)]


@pytest.fixture
def root(tmp_path):
    """A folder with the original rows and no videos yet."""
    (tmp_path / "LSMDC16_challenge_1000_publictect.csv").write_text(ROWS)
    return tmp_path


@pytest.mark.parametrize("layout", [f"{MOVIE}/{{}}.avi", "{}.mp4", f"avi/{MOVIE}/{{}}.avi"])
@pytest.mark.parametrize("umt", [False, True])
def test_films_in_folders_and_flat_copies_are_found(root, layout, umt):
    put_videos(root / "videos", *(layout.format(clip) for clip in CLIPS))
    if umt:
        put_json(root / "lsmdc_ret_test_1000.json", UMT)
    datamodule = set_up(LSMDC, root)
    assert file_names(datamodule) == [f"videos/{layout.format(clip)}" for clip in CLIPS]
    assert queries(datamodule) == (["someone opens the door", "hes in"], [[0], [1]])


def test_the_rows_are_told_by_content_and_have_no_quoting(root, caplog):
    put_videos(root / "videos", *(f"{clip}.avi" for clip in CLIPS))
    with caplog.at_level(logging.INFO):
        assert set_up(LSMDC, root).records.texts == list(SENTENCES)
    assert "read as LSMDC rows, 2 videos, 2 texts" in caplog.text
    assert "has 2 videos, the published test 1000" in caplog.text


def test_the_film_decides_between_clips_of_equal_names(root):
    names = [f"{MOVIE}/{clip}.avi" for clip in CLIPS] + [f"0100_Other/{clip}.avi" for clip in CLIPS]
    put_videos(root / "videos", *names)
    assert file_names(set_up(LSMDC, root)) == [f"videos/{name}" for name in names[:2]]


def test_a_stem_full_of_dots_is_never_cut(root):
    put_videos(root / "videos", *(f"{clip.rpartition('.')[0]}.avi" for clip in CLIPS))
    with pytest.raises(FileNotFoundError, match="2 of 2 videos have no file"):
        set_up(LSMDC, root)


def test_repeated_clips_of_the_training_rows_are_one_video(root):
    put_videos(root / "videos", *(f"{clip}.avi" for clip in CLIPS))
    (root / "train.csv").write_text(ROWS.replace("\n", "\r\n") + "\r\n" + row(CLIPS[0], "He leaves.\tSlowly."))
    datamodule = set_up(LSMDC, root, "fit", train_annotation="train.csv", batch_size=2)
    captions = datamodule.train_dataloader().dataset.captions
    assert captions == [["someone opens the door", "he leaves\tslowly"], ["hes in"]]


def test_rows_whose_times_are_not_filled_in_are_read(root):
    put_videos(root / "videos", f"{CLIPS[0]}.avi")
    (root / "LSMDC16_challenge_1000_publictect.csv").write_text(f"{CLIPS[0]}\t\t\t\t\tHe leaves.\n")
    assert queries(set_up(LSMDC, root))[0] == ["he leaves"]


@pytest.mark.parametrize("wrong", [f"{CLIPS[0]}\tHe leaves.", row(CLIPS[0], ""), row(CLIPS[0], "x").replace("02", "b")])
def test_a_row_of_another_form_is_named(root, wrong):
    (root / "LSMDC16_challenge_1000_publictect.csv").write_text(f"{ROWS}\n{wrong}\n")
    with pytest.raises(ValueError, match=r"line 4: expected a clip id, four times and a sentence, found '0099_Some"):
        set_up(LSMDC, root)


def test_the_facts_of_the_dataset():
    assert (LSMDC.max_seconds, LSMDC.paragraphs) == (None, False)
