"""In which order training looks at videos, and what is random about each: a function of seed, epoch and video alone.

So nothing of it depends on the number of worker processes, on which process a video falls to, or on whether the
training was interrupted and resumed before this epoch.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DistributedSampler


class TooFewVideosError(ValueError):
    """Not every process would get a batch."""


class Draw(NamedTuple):
    """One video in one epoch.

    Attributes:
        video: Position in the data set.
        seed: Of its random choices.
    """

    video: int
    seed: int


class EpochOrder(DistributedSampler):
    """Draws of all videos in an order that changes from epoch to epoch, dealt out to the processes in turn.

    No video comes twice in an epoch. The first ``batch_size`` draws of all processes are together the first
    ``world_size * batch_size`` of one process alone, and so on. Lightning says which epoch it is (and would replace
    any other sampler than a ``DistributedSampler``); without it each pass is the next epoch.

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
        super().__init__(range(num_videos), world_size, rank, seed=seed, drop_last=True)  # type: ignore[arg-type]
        self._num_videos = num_videos

    def __iter__(self) -> Iterator[Draw]:  # type: ignore[override]  # the base class promises positions
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = np.random.default_rng([self.seed, epoch]).permutation(self._num_videos)
        # Equally many for each process: with a batch more, one would wait for the others for ever.
        own = order[self.rank :: self.num_replicas][: self.num_samples].tolist()
        return (Draw(index, _seed_of(self.seed, epoch, index)) for index in own)


class DrawnDataset:
    """Mixin for a data set whose items use torch's own generator: it is seeded for each of them.

    A loader asks for :class:`Draw` objects; ``dataset[index]`` is random as ever.
    """

    def __getitems__(self, draws: Sequence[Draw]) -> list[Any]:
        return [self._item_of(draw) for draw in draws]

    def _item_of(self, draw: Draw) -> Any:
        # Not `torch.manual_seed`, which would seed the GPUs too.
        generator = torch.default_generator
        before = generator.get_state()
        generator.manual_seed(draw.seed)
        try:
            return self[draw.video]  # type: ignore[index]  # of the class that this is mixed into
        finally:
            generator.set_state(before)


def _seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
