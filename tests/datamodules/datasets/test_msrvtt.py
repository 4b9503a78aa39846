import shutil

import pytest

from datamodules import MSRVTT
from tests.helpers.video import encode_video, numbered_frames

CSV = "key,vid_key,video_id,sentence\nret0,msr7123,video7123,a man\nret1,msr7020,video7020,a man\n"


def set_up(root, *names):
    source = encode_video(root / "source.bin.mp4", numbered_frames(8))
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / name)
    source.unlink()
    (root / "MSRVTT_JSFUSION_test.csv").write_text(CSV)
    datamodule = MSRVTT(str(root), num_frames=4, image_size=32, num_workers=0)
    datamodule.setup("test")
    return datamodule


@pytest.mark.parametrize(
    "names",
    [
        ["videos/all/video7123.mp4", "videos/all/video7020.webm"],
        ["TrainValVideo/video7123.mp4", "TrainValVideo/video7020.mp4"],
        ["videos/7123.mp4", "videos/7020.mp4"],
        ["video7123.mp4", "video7020.mp4"],
    ],
)
def test_the_usual_layouts_are_found(tmp_path, names):
    datamodule = set_up(tmp_path, *names, "videos/all/video1.mp4" if "all" in names[0] else "unrelated/clip.txt")
    paths = datamodule.test_dataloader()[0].dataset.paths
    assert [path.relative_to(tmp_path.resolve()).as_posix() for path in paths] == names


def test_equal_captions_stay_two_queries(tmp_path):
    datamodule = set_up(tmp_path, "videos/video7123.mp4", "videos/video7020.mp4")
    (batch,) = datamodule.test_dataloader()[1]
    assert batch.texts == ["a man", "a man"]
    assert batch.videos == [[0], [1]]


def test_the_facts_of_the_two_datasets():
    assert MSRVTT.max_text_tokens == 32
    assert MSRVTT.test_videos == 1000
