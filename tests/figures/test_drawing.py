"""Figures of several clips in folders of their own."""

from pathlib import Path

import numpy as np
import torch

from tests.helpers.vits import video_vit
from vidtldr.figures.drawing import Album
from vidtldr.measuring.shown_clips import Clip


def test_clips_whose_names_make_one_folder_do_not_overwrite_each_other(tmp_path: Path) -> None:
    names = ("a.mp4", "a.avi", "a_2.mp4", "a?2.mp4", "a.mp4")
    clips = [Clip(name, torch.full((6, 3, 32, 32), names.index(name), dtype=torch.uint8)) for name in names]
    Album(video_vit(), {}, tmp_path).draw_clips(clips, [4])
    drawn = {}
    for folder in tmp_path.iterdir():
        with np.load(folder / "figure4.npz") as arrays:
            drawn[folder.name] = names[arrays["frames"][0, 0, 0, 0]]
    assert drawn == {"a": "a.mp4", "a_2": "a.avi", "a_2_2": "a_2.mp4", "a_2_3": "a?2.mp4"}
