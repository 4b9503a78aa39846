import shutil

import pytest

from datamodules import MSVD
from tests.helpers.video import encode_video, numbered_frames


def put_videos(root, *names):
    encode_video(root / "one.mp4", numbered_frames(8))
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "one.mp4", root / name)
    (root / "one.mp4").unlink()


def set_up(root, **options):
    datamodule = MSVD(str(root), num_frames=4, image_size=32, num_workers=0, **options)
    datamodule.setup("test")
    return datamodule


def files(datamodule):
    return [path.name for path in datamodule.test_dataloader()[0].dataset.paths]


def test_every_caption_is_a_query_of_its_video(tmp_path):
    put_videos(tmp_path, "YouTubeClips/a_1_2.avi", "YouTubeClips/b_3_4.avi")
    (tmp_path / "AllVideoDescriptions.txt").write_text(
        "".join(f"{clip} Caption {n}.\n" for clip in ("a_1_2", "b_3_4") for n in range(3))
    )
    (tmp_path / "test_list.txt").write_text("a_1_2\nb_3_4\n")
    datamodule = set_up(tmp_path)
    assert (datamodule.num_videos, datamodule.num_texts) == (2, 6)
    (batch,) = datamodule.test_dataloader()[1]
    assert batch.videos == [[0], [0], [0], [1], [1], [1]]
    assert batch.texts[0] == "caption 0"


@pytest.mark.parametrize("names", [["vid1.avi", "vid2.avi"], ["video0.avi", "video1.avi"], ["a_1_2.avi", "b_3_4.avi"]])
@pytest.mark.parametrize("asked", [["vid1", "vid2"], ["video0", "video1"], ["a_1_2", "b_3_4"]])
def test_the_mapping_file_joins_the_three_namings(tmp_path, names, asked):
    put_videos(tmp_path, *(f"YouTubeClips/{name}" for name in names))
    (tmp_path / "youtube_mapping.txt").write_text("a_1_2 vid1\r\nb_3_4 vid2\r\n")
    records = ", ".join(f'{{"video": "{name}.avi", "caption": "x"}}' for name in asked)
    (tmp_path / "msvd_ret_test.json").write_text(f"[{records}]")
    assert files(set_up(tmp_path)) == names


def test_the_two_numberings_are_never_guessed_between(tmp_path):
    put_videos(tmp_path, "videos/video0.avi", "videos/video1.avi")
    (tmp_path / "sents_test_lc_nopunc.txt").write_text("vid1\ta cat\nvid2\ta dog\n")
    with pytest.raises(FileNotFoundError, match=r"2 of 2 videos have no file .*: vid1, vid2"):
        set_up(tmp_path)


def test_a_mapping_line_of_another_form_is_named(tmp_path):
    put_videos(tmp_path, "videos/clip.avi")
    (tmp_path / "sents_test_lc_nopunc.txt").write_text("vid1\ta cat\n")
    (tmp_path / "youtube_mapping.txt").write_text("a_1_2 vid1\nvid2 b_3_4\n")
    with pytest.raises(ValueError, match=r"youtube_mapping\.txt, line 2"):
        set_up(tmp_path)


def test_another_number_of_videos_than_published_is_warned_about(tmp_path, caplog):
    put_videos(tmp_path, "videos/vid1.avi")
    (tmp_path / "sents_test_lc_nopunc.txt").write_text("vid1\ta cat\n")
    set_up(tmp_path)
    assert "has 1 videos, the published test 670" in caplog.text
