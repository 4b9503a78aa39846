"""In which order training looks at videos, and what is random about each: a function of seed, epoch and video alone.

So nothing of it depends on the number of worker processes, on which process a video falls to, or on whether the
training was interrupted and resumed before this epoch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Sampler


class TooFewVideosError(ValueError):
    """Not every process would get a batch."""


class Draw(NamedTuple):
    """One video, as a loader asks for it.

    Attributes:
        video: Position in the data set.
        seed: Of its random choices; None leaves torch's generator as it is.
    """

    video: int
    seed: int | None = None


class EpochOrder(Sampler[Draw]):
    """Draws of all videos in an order that changes from epoch to epoch, dealt out to the processes in turn.

    No video comes twice in an epoch. The first ``batch_size`` draws of all processes are together the first
    ``world_size * batch_size`` of one process alone, and so on. Lightning says which epoch it is; without it each pass
    is the next epoch.

    Args:
        num_videos: Videos in the data set.
        batch_size: Videos in a batch of one process.
        seed: Of order and draws, not negative, the same in each process.
        rank: Which process, from 0.
        world_size: How many there are.

    Raises:
        TooFewVideosError: There is no batch for each process.
    """

    def __init__(self, num_videos: int, *, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        if num_videos < world_size * batch_size:
            processes = f" in each of {world_size} processes" if world_size > 1 else ""
            raise TooFewVideosError(f"batch_size={batch_size}{processes} exceeds the {num_videos} videos to train on")
        self._num_videos, self._rank, self._world_size = num_videos, rank, world_size
        self._seed, self._epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next pass is, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        # Equally many for each process: with a batch more, one would wait for the others for ever.
        return self._num_videos // self._world_size

    def __iter__(self) -> Iterator[Draw]:
        epoch, self._epoch = self._epoch, self._epoch + 1
        order = np.random.default_rng([self._seed, epoch]).permutation(self._num_videos)
        own = order[self._rank :: self._world_size][: len(self)].tolist()
        return (Draw(index, _seed_of(self._seed, epoch, index)) for index in own)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Seed torch's own generator and put it back to where it was afterwards; None does neither."""
    if seed is None:
        yield
        return
    # Not `torch.manual_seed`, which would seed the GPUs too.
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)


def _seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
