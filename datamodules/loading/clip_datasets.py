"""Map-style datasets of clips and texts, and how their items become batches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.text import pre_text
from datamodules.clips.cache import ClipCache
from datamodules.clips.decoder import BrokenVideoError, Decoder, FrameSampler, read_clip
from datamodules.clips.sampling import middle_frames
from datamodules.clips.training_frames import RandomFrames, SegmentFrames
from datamodules.clips.transforms import random_mirror, random_resized_crop, resize_frames
from datamodules.loading.batches import ClipBatch, TextBatch
from datamodules.loading.sharding import batch_facts


@dataclass(frozen=True)
class Item:
    """One video as a worker hands it over; exactly one of ``clip`` and ``broken`` is set.

    A broken video travels as an item and not as an exception: an exception would end the whole loader.
    """

    index: int
    clip: Tensor | None
    broken: str | None = None
    text: str | None = None
    label: int | None = None


class ClipDataset(Dataset[Item]):
    """Videos of a gallery as clips for evaluation.

    Args:
        paths: File of each gallery video.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        max_seconds: Look at no more than this much of each video, from its beginning; None is all of it.
        decoder: Which library decodes.
        kept: Clips of earlier passes over the videos, where there are several.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        num_frames: int,
        image_size: int,
        max_seconds: float | None = None,
        decoder: Decoder = "auto",
        kept: ClipCache | None = None,
    ):
        self.paths = list(paths)
        self.image_size = image_size
        self.max_seconds = max_seconds
        self.decoder: Decoder = decoder
        self.kept = kept
        self.sample: FrameSampler = partial(middle_frames, num_frames=num_frames)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Item:
        try:
            clip = self.clip(index) if self.kept is None else self.kept.get(index, lambda: self.clip(index))
        except BrokenVideoError as error:
            return self.broken_item(index, str(error))
        return self.item(index, clip)

    def broken_item(self, index: int, reason: str) -> Item:
        """What stands for a video that could not be read or is not to be opened."""
        return replace(self.item(index, clip=None), broken=reason)

    def item(self, index: int, clip: Tensor | None) -> Item:
        """A clip with what goes with its video."""
        return Item(index, clip)

    def clip(self, index: int) -> Tensor:
        """Decode and transform a video."""
        return self.transform(self.read(index))

    def read(self, index: int) -> Tensor:
        """The frames of a clip, ``[t, c, h, w]`` uint8 of any size."""
        return self._read(index, self.sample)

    def transform(self, frames: Tensor) -> Tensor:
        """``[t, c, h, w]`` uint8 of any size to ``[t, c, image_size, image_size]``."""
        return resize_frames(frames, self.image_size)

    def _read(self, index: int, sample: FrameSampler) -> Tensor:
        return read_clip(self.paths[index], sample, self.max_seconds, self.decoder)


class RandomClipDataset(ClipDataset):
    """Videos as clips for training: frames and crop are chosen anew each time with torch's own generator.

    A loader of an :class:`~datamodules.loading.order.EpochOrder` seeds it for each of them.

    All arguments but these are those of :class:`ClipDataset`.

    Args:
        frames: Chooses the frames of a clip.
        crop_scale: Smallest and largest share of the area that the random crop keeps.
        mirror: Swap left and right in half of the clips.
        cache_dir: Folder for decoded frames in model size, of which later epochs choose; without it each epoch decodes.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        frames: RandomFrames,
        image_size: int,
        crop_scale: tuple[float, float],
        mirror: bool = False,
        cache_dir: Path | None = None,
        max_seconds: float | None = None,
        decoder: Decoder = "auto",
    ):
        super().__init__(paths, frames.num_frames, image_size, max_seconds, decoder)
        self.frames = frames
        self.crop_scale = crop_scale
        self.mirror = mirror
        self.cache: ClipCache | None = None
        if cache_dir is not None:
            self.cache = ClipCache(cache_dir, range(len(self.paths)), (frames.num_kept, 3, image_size, image_size))

    def read(self, index: int) -> Tensor:
        """Frames chosen at random, ``[t, c, h, w]`` uint8."""
        if self.cache is None:
            return self._read(index, self.frames.draw)
        kept = self.cache.get(index, lambda: self.fit(self._read(index, self.frames.keep)))
        return kept[self.frames.draw_kept()]

    def fit(self, frames: Tensor) -> Tensor:
        """``[t, c, h, w]`` uint8 of any size to the frames that a cache keeps, ``[t, c, image_size, image_size]``."""
        return resize_frames(frames, self.image_size)

    def transform(self, frames: Tensor) -> Tensor:
        """A random crop of ``[t, c, h, w]`` uint8, resized to ``[t, c, image_size, image_size]``."""
        clip = random_resized_crop(frames, self.image_size, self.crop_scale)
        return random_mirror(clip) if self.mirror else clip


class TrainingClipDataset(RandomClipDataset):
    """Videos with one of their captions, both chosen anew each time with torch's own generator.

    All arguments but these are those of :class:`RandomClipDataset`.

    Args:
        captions: Cleaned captions of each video, at least one.
        num_frames: Frames of a clip, one random frame of each equal segment.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        captions: Sequence[list[str]],
        num_frames: int,
        image_size: int,
        crop_scale: tuple[float, float],
        **options: Any,
    ):
        super().__init__(paths, SegmentFrames(num_frames), image_size, crop_scale, **options)
        self.captions = list(captions)

    def item(self, index: int, clip: Tensor | None) -> Item:
        """A clip with one of its captions."""
        choices = self.captions[index]
        return Item(index, clip, text=choices[int(torch.randint(len(choices), ()))])


class TextDataset(Dataset[tuple[int, str, list[int]]]):
    """Cleaned text queries with the gallery positions of their videos."""

    def __init__(self, records: RetrievalRecords):
        self.texts = [pre_text(text) for text in records.texts]
        self.videos = records.gt_text_to_videos

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[int, str, list[int]]:
        return index, self.texts[index], self.videos[index]


def collate_clips(items: Sequence[Item], clip_shape: tuple[int, ...]) -> ClipBatch:
    """Stack the clips that were read and list the videos that were not.

    Args:
        items: From a :class:`ClipDataset` of any kind.
        clip_shape: ``(t, c, h, w)``, the shape of a clip, for a batch in which every video is broken.

    Returns:
        With texts or labels if the items have them.
    """
    clips = [item.clip for item in items if item.clip is not None]
    read = [item for item in items if item.clip is not None]
    texts = [item.text for item in read if item.text is not None]
    labels = [item.label for item in read if item.label is not None]
    return ClipBatch(
        clips=torch.stack(clips) if clips else torch.empty(0, *clip_shape, dtype=torch.uint8),
        index=torch.tensor([item.index for item in read], dtype=torch.int64),
        broken=broken_of(items),
        texts=texts if items and items[0].text is not None else None,
        label=torch.tensor(labels, dtype=torch.int64) if items and items[0].label is not None else None,
        **batch_facts(items),
    )


def broken_of(items: Sequence[Item]) -> list[tuple[int, str]]:
    """Position and reason of each item that could not be read."""
    return [(item.index, item.broken) for item in items if item.broken is not None]


def collate_texts(items: Sequence[tuple[int, str, list[int]]]) -> TextBatch:
    """List texts and their videos."""
    return TextBatch(
        texts=[text for _, text, _ in items],
        index=torch.tensor([index for index, _, _ in items], dtype=torch.int64),
        videos=[videos for _, _, videos in items],
        **batch_facts(items),
    )
