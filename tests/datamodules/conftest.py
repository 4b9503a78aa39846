"""A small dataset on disk, in the layout of MSVD with the annotation of UMT."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.video import encode_video, numbered_frames

LENGTHS = [29, 7, 48, 1, 13, 20, 31]
"""Frames of the seven videos: odd, shorter than a clip, and a single one among them."""


def caption(video: int, number: int) -> str:
    """A caption that tells what it belongs to."""
    return f"Caption {number} of video-{video}!"


def write_umt_annotation(path: Path, num_videos: int = len(LENGTHS), captions_per_video: int = 3) -> Path:
    """An annotation of ``clip0.mp4``, ``clip1.mp4``, ..."""
    records = [
        {"video": f"clip{video}.mp4", "caption": [caption(video, number) for number in range(captions_per_video)]}
        for video in range(num_videos)
    ]
    path.write_text(json.dumps(records))
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Root with ``videos/clip0.mp4`` ... ``clip6.mp4``, three captions each."""
    for number, length in enumerate(LENGTHS):
        encode_video(tmp_path / "videos" / f"clip{number}.mp4", numbered_frames(length))
    write_umt_annotation(tmp_path / "msvd_ret_test.json")
    return tmp_path


@pytest.fixture(scope="session")
def views() -> Mapping[str, np.ndarray]:
    """Views of the official VideoMAE test: frame indices, order, sizes and crops."""
    return np.load(Path(__file__).parents[1] / "data" / "videomae_views.npz")
