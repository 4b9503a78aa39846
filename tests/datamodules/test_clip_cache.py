from pathlib import Path

import pytest
import torch

from datamodules.clip_cache import ClipCache
from datamodules.datasets import TrainingClipDataset
from datamodules.video import BrokenVideoError
from tests.helpers.video import encode_video, frame_numbers, numbered_frames


def test_a_video_is_read_once_and_an_error_leaves_its_place_empty(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, 2, (4, 3, 8, 8))
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
