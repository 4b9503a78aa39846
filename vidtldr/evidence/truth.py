"""Which tokens of a clip are foreground: what objects cover goes the way of the pixels, from video to tokens."""

import numpy as np
import torch
from torch import Tensor

from datamodules.loading.clip_datasets import ClipDataset
from datamodules.loading.view_datasets import ViewDataset
from vidtldr.measuring.clip_grid import ClipGrid

FOREGROUND_SHARE = 0.5
"""A token is foreground if objects cover more than this share of its pixels, averaged over the frames of a tubelet."""


def clips_as_seen(dataset: ClipDataset, frames: Tensor) -> Tensor:
    """The clips that a data set makes of a video: the same frames, the same crops, the same resizing.

    Args:
        dataset: Shows videos to a model.
        frames: A whole video, ``[n, c, h, w]`` uint8; of any number of channels.

    Returns:
        ``[views, t, c, image_size, image_size]`` uint8.
    """
    if isinstance(dataset, ViewDataset):
        segments = dataset.sample_views(len(frames))
        return torch.cat([dataset.crop(frames[segment]) for segment in segments])
    return dataset.transform(frames[dataset.sample(len(frames))]).unsqueeze(0)


def token_cover(dataset: ClipDataset, cover: np.ndarray, grid: ClipGrid) -> Tensor:
    """How much of each token of a video's clips is object.

    Args:
        dataset: Shows the video to a model.
        cover: How much of each pixel of the video is object, ``[n, h, w]`` in 0..1.
        grid: Tokens of a clip, t x h x w.

    Returns:
        ``[views, t, h, w]`` float32 in 0..1.
    """
    levels = torch.from_numpy(np.rint(cover * 255).astype(np.uint8)).unsqueeze(1)
    seen = clips_as_seen(dataset, levels).squeeze(2)
    views, frames, height, width = seen.shape
    steps, rows, columns = grid.shape
    blocks = seen.float().div(255).reshape(
        views, steps, frames // steps, rows, height // rows, columns, width // columns
    )  # fmt: skip
    return blocks.mean(dim=(2, 4, 6))
