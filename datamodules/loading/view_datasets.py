"""Map-style datasets of labelled videos: all views of a video for a test, one random clip for training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules.clips.cache import ClipCache
from datamodules.clips.decoder import Decoder, read_clip
from datamodules.clips.training_frames import RandomFrames
from datamodules.clips.transforms import crops_along_long_side
from datamodules.loading.batches import ViewBatch
from datamodules.loading.clip_datasets import ClipDataset, Item, RandomClipDataset, broken_of
from datamodules.loading.sharding import batch_facts

ViewSampler = Callable[[int], list[list[int]]]
"""From the number of frames in a video to the frame indices of each of its segments."""

Cropper = Callable[[Tensor], Tensor]
"""From frames ``[n, c, h, w]`` of any size to their crops in model size, ``[crops, n, c, image_size, image_size]``."""


class ViewDataset(ClipDataset):
    """Videos as all the views of a test, each video decoded once.

    An item's clip is ``[views, t, c, image_size, image_size]``; view ``segment * crops + crop``.

    Args:
        paths: File of each video.
        labels: Class of each video.
        sample_views: Chooses the frames of each segment.
        crop: Cuts each frame to model size.
        decoder: Which library decodes.
        kept: As in :class:`~datamodules.loading.clip_datasets.ClipDataset`.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int],
        sample_views: ViewSampler,
        crop: Cropper,
        decoder: Decoder = "auto",
        kept: ClipCache | None = None,
    ):
        self.paths = list(paths)
        self.labels = list(labels)
        self.decoder: Decoder = decoder
        self.kept = kept
        self.sample_views = sample_views
        self.crop = crop

    def item(self, index: int, clip: Tensor | None) -> Item:
        """A clip with its class."""
        return Item(index, clip, label=self.labels[index])

    def read(self, index: int) -> Tensor:
        """All views of a video, ``[views, t, c, image_size, image_size]`` uint8."""
        segments: list[list[int]] = []

        def wanted(length: int) -> list[int]:
            segments[:] = self.sample_views(length)
            return sorted(set().union(*segments))  # a frame that several views show is decoded once

        crops = self.crop(read_clip(self.paths[index], wanted, None, self.decoder))  # [crops, n, c, h, w]
        position = {frame: n for n, frame in enumerate(sorted(set().union(*segments)))}
        positions = torch.tensor([[position[frame] for frame in segment] for segment in segments])
        return crops[:, positions].transpose(0, 1).flatten(0, 1)  # [crops, segments, t, ...] -> [views, t, ...]

    def transform(self, frames: Tensor) -> Tensor:
        """The views as they are: they were cropped once for all of them."""
        return frames


class LabelledClipDataset(RandomClipDataset):
    """Videos as random clips with their class, for training.

    All arguments but these are those of :class:`~datamodules.loading.clip_datasets.RandomClipDataset`.

    Args:
        labels: Class of each video.
    """

    def __init__(
        self, paths: Sequence[Path], labels: Sequence[int], frames: RandomFrames, image_size: int, **options: Any
    ):
        super().__init__(paths, frames, image_size, **options)
        self.labels = list(labels)

    def item(self, index: int, clip: Tensor | None) -> Item:
        """A clip with its class."""
        return Item(index, clip, label=self.labels[index])

    def fit(self, frames: Tensor) -> Tensor:
        """The square at the centre, resized: unlike captions' videos, these are tested without distortion."""
        return crops_along_long_side(frames, self.image_size, num_crops=1)[0]


def collate_views(items: Sequence[Item], clip_shape: tuple[int, ...]) -> ViewBatch:
    """Put the views of several videos one after the other.

    Args:
        items: From a :class:`ViewDataset`.
        clip_shape: ``(t, c, h, w)``, the shape of a view, for a batch in which every video is broken.
    """
    read = [(item, item.clip) for item in items if item.clip is not None]
    counts = torch.tensor([len(clip) for _, clip in read], dtype=torch.int64)
    empty = torch.empty(0, *clip_shape, dtype=torch.uint8)
    return ViewBatch(
        clips=torch.cat([clip for _, clip in read] or [empty]),
        index=torch.tensor([item.index for item, _ in read], dtype=torch.int64).repeat_interleave(counts),
        view=torch.cat([torch.arange(count) for count in counts.tolist()] or [counts]),
        label=torch.tensor([item.label for item, _ in read], dtype=torch.int64).repeat_interleave(counts),
        broken=broken_of(items),
        **batch_facts(items),
    )
