import json

import numpy as np
import pytest

from datamodules.clips.decoder import read_clip
from datamodules.demo.sets.every import SETS
from datamodules.demo.sets.production import ensure
from datamodules.demo.sets.truth import KnownVideos


@pytest.mark.parametrize("name", SETS)
def test_a_video_is_known_by_its_file(tmp_path, name):
    ensure(SETS[name], tmp_path, ("val",), num_videos={"val": 3})
    known = KnownVideos.of(tmp_path)
    assert known.videos is SETS[name]
    assert len(known.places) == 3
    for index in range(3):
        path = tmp_path / SETS[name].video("val", index)
        decoded = read_clip(path, lambda length: list(range(length))).permute(0, 2, 3, 1).numpy()
        frames, cover = known.frames(path), known.cover(path)
        assert decoded.shape == frames.shape == (*cover.shape, 3)
        error = np.abs(decoded.astype(int) - frames).mean(axis=(1, 2, 3))
        assert error.max() < 10  # noise is what a codec drops first; another video is further away than 30
        assert 0.01 < cover[-1].mean() < 0.6


def test_a_folder_without_generated_videos_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no generated videos.*demo\.json.*demo_base2novel\.json"):
        KnownVideos.of(tmp_path)


def test_videos_of_another_version_are_refused(tmp_path):
    ensure(SETS["recognition"], tmp_path, ("test",), num_videos={"test": 1})
    manifest = tmp_path / "demo_recognition.json"
    stamps = json.loads(manifest.read_text())
    stamps["test"]["generator_version"] += 1
    manifest.write_text(json.dumps(stamps))
    with pytest.raises(ValueError, match=r"demo_recognition\.json is of another version of the generator"):
        KnownVideos.of(tmp_path)


def test_a_video_of_ones_own_beside_the_generated_ones_is_refused(tmp_path):
    ensure(SETS["vqa"], tmp_path, ("test",), num_videos={"test": 1})
    known = KnownVideos.of(tmp_path)
    for path in (tmp_path / "YouTubeClips" / "holiday.mp4", tmp_path.parent / "demo_test_0000.mp4"):
        with pytest.raises(ValueError, match=f"{path.name} is none of the 1 videos"):
            known.cover(path)
