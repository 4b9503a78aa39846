import pickle
from pathlib import Path

import pytest
import torch

from datamodules.clips.cache import ClipCache, KeptClips
from datamodules.clips.decoder import BrokenVideoError
from datamodules.loading.clip_datasets import TrainingClipDataset
from tests.helpers.video import encode_video, frame_numbers, numbered_frames


def test_a_video_is_read_once_and_an_error_leaves_its_place_empty(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, range(2), (4, 3, 8, 8))
    frames = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)

    def fail() -> torch.Tensor:
        raise BrokenVideoError("broken")

    with pytest.raises(BrokenVideoError):
        cache.get(1, fail)
    assert torch.equal(cache.get(1, lambda: frames), frames)
    assert torch.equal(cache.get(1, fail), frames)  # not read again


def test_training_clips_from_a_cache_are_frames_of_their_segments_and_outlive_the_file(tmp_path: Path) -> None:
    num_frames, size = 4, 64
    path = tmp_path / "clip.mp4"
    encode_video(path, numbered_frames(32, 64, 64))
    dataset = TrainingClipDataset([path], [["a caption"]], num_frames, size, (1.0, 1.0), cache_dir=tmp_path)
    first = dataset[0].clip
    path.unlink()
    seen = {tuple(frame_numbers(dataset[0].clip.numpy())) for _ in range(40)}
    assert first.shape == (num_frames, 3, size, size)
    assert len(seen) > 1  # frames are drawn anew each time
    for numbers in seen:
        for segment, number in enumerate(numbers):
            assert segment * 8 <= number < (segment + 1) * 8


def test_videos_without_a_place_are_read_each_time(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, [5, 2], (1, 3, 2, 2))
    clips = {position: torch.full((1, 3, 2, 2), position, dtype=torch.uint8) for position in (2, 5, 7)}
    for position, clip in clips.items():
        assert torch.equal(cache.get(position, lambda clip=clip: clip), clip)
    assert cache.num_kept == 2
    other = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    assert torch.equal(cache.get(7, lambda: other), other)
    assert torch.equal(cache.get(5, lambda: other), clips[5])


def test_kept_clips_are_those_of_the_same_videos_within_the_limit() -> None:
    kept = KeptClips(max_bytes=2.5 * 12)  # room for two clips
    paths = [Path("a"), Path("b"), Path("c")]
    cache = kept.of(0, paths, [0, 1, 2], (1, 3, 2, 2))
    assert cache is not None
    for position in range(3):
        cache.get(position, lambda: torch.ones(1, 3, 2, 2, dtype=torch.uint8))
    assert kept.num_kept == 2
    assert kept.of(0, paths, [0], (1, 3, 2, 2)) is cache  # another pass
    assert kept.of(1, paths, [0], (1, 3, 2, 2)) is None  # nothing is left for a second loader
    assert kept.of(0, paths[:2], [0, 1], (1, 3, 2, 2)) is None  # other videos: what was kept is not theirs


def test_no_room_means_no_cache_and_a_note(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("datamodules.clips.cache.os.posix_fallocate", full)
    assert KeptClips(1e9).of(0, [Path("a")], [0], (1, 3, 2, 2)) is None
    assert "No space left on device" in caplog.text


def test_a_worker_that_is_no_fork_sees_the_same_clips(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, [4], (1, 3, 2, 2))
    clip = torch.randint(0, 256, (1, 3, 2, 2), dtype=torch.uint8)
    pickle.loads(pickle.dumps(cache)).get(4, lambda: clip)
    assert torch.equal(cache.get(4, lambda: torch.zeros_like(clip)), clip)
