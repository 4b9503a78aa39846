from functools import partial

import numpy as np
import pytest
import torch

from datamodules import Demo, DemoBaseToNovel, DemoRecognition, DemoVQA
from datamodules.clips.sampling import middle_frames
from datamodules.demo.sets.every import SETS
from datamodules.demo.sets.production import ensure
from datamodules.demo.sets.truth import KnownVideos
from datamodules.loading.clip_datasets import ClipDataset
from datamodules.loading.sharding import Sharing
from vidtldr.evidence.truth import clips_as_seen, token_cover
from vidtldr.measuring.clip_grid import ClipGrid

DATA = {"retrieval": Demo, "vqa": DemoVQA, "recognition": DemoRecognition, "base2novel": DemoBaseToNovel}


def dataset_of(num_frames, image_size):
    return ClipDataset([], num_frames, image_size)


def test_a_token_is_covered_as_much_as_its_pixels_are():
    cover = np.zeros((4, 8, 8), np.float32)
    cover[0, :4, :4] = 1  # of the first patch all, in the first of two frames
    cover[2:, 4:, 4:6] = 1  # of the last one half, in both
    cover[2, 0, 4] = 0.5  # half of one of 32 pixels
    found = token_cover(dataset_of(4, 8), cover, ClipGrid(2, 2, 2))
    expected = [[[0.5, 0], [0, 0]], [[0, 0.5 / 32], [0, 0.5]]]
    assert found.shape == (1, 2, 2, 2)
    assert np.allclose(found[0], expected, atol=1 / 255 / 32)


def test_frames_are_those_that_are_sampled():
    cover = np.linspace(0, 1, 20, dtype=np.float32)[:, None, None] * np.ones((1, 4, 4), np.float32)
    found = token_cover(dataset_of(5, 4), cover, ClipGrid(5, 1, 1, images_per_clip=5))
    assert np.allclose(found.flatten(), cover[middle_frames(20, 5), 0, 0], atol=1 / 255)


@pytest.mark.parametrize("name", DATA)
def test_frames_of_the_renderer_go_the_way_of_the_video_s_pixels(name, tmp_path):
    """The truth is taken from the right frames and the right place if frames that take its way become the clip."""
    ensure(SETS[name], tmp_path, num_videos={"test": 2})
    data = DATA[name](root=str(tmp_path), num_frames=4, image_size=96, num_workers=0)
    data.setup("test")
    known = KnownVideos.of(tmp_path)
    seen = 0
    for loader in data.evaluation_loaders(Sharing()):
        if not isinstance(loader.dataset, ClipDataset):
            continue
        for index, path in enumerate(loader.dataset.paths):
            clip = loader.dataset[index].clip
            clips = clip if clip.dim() == 5 else clip[None]
            frames = torch.from_numpy(known.frames(path)).permute(0, 3, 1, 2)
            ours = clips_as_seen(loader.dataset, frames)
            assert ours.shape == clips.shape
            difference = partial(_difference, clips)
            assert difference(ours) < 8  # what the codec and resizing leave of the noise
            assert difference(ours) < 0.7 * difference(ours.roll(3, dims=-1))
            assert difference(ours) < difference(clips_as_seen(loader.dataset, frames.roll(2, dims=0)))
            seen += 1
    assert seen == 2


def _difference(clips, others):
    return (clips.float() - others.float()).abs().mean().item()
