"""Which batches of an evaluation a process takes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict


@dataclass(frozen=True)
class Share:
    """One process's part of the batches that are left to do.

    Whole batches are dealt out, in their order and as one process alone would form them: what is computed from a batch
    is then the same for any number of processes, and no sample comes twice or is added to fill up.

    Attributes:
        rank: Which process, from 0.
        world_size: How many there are.
        finished: First positions of batches that were done in an earlier run.
    """

    rank: int = 0
    world_size: int = 1
    finished: Collection[int] = ()

    def of(self, num_items: int, batch_size: int) -> list[list[int]]:
        """Positions of the items of each of its batches; one empty batch if there is none.

        The empty batch makes the process go through the motions of a test, which it must leave together with the rest.
        """
        starts = [start for start in range(0, num_items, batch_size) if start not in self.finished]
        own = starts[self.rank :: self.world_size]
        return [list(range(start, min(start + batch_size, num_items))) for start in own] or [[]]


class BatchFacts(TypedDict):
    """What a batch is known by, as :class:`~datamodules.loading.batches.Batch` has it."""

    first: int
    items: int


def batch_facts(items: Sequence[Any]) -> BatchFacts:
    """What a batch is known by.

    Args:
        items: With an ``index`` each, or tuples that begin with it.

    Returns:
        ``first``, the position of its first item in the data set, -1 for an empty batch; and ``items``, their number,
        broken ones included.
    """
    if not items:
        return {"first": -1, "items": 0}
    return {"first": items[0][0] if isinstance(items[0], tuple) else items[0].index, "items": len(items)}


@dataclass(frozen=True)
class Sharing:
    """One process's part of an evaluation.

    Attributes:
        rank: Which process, from 0.
        world_size: How many there are.
        finished: First positions of the batches that an earlier run has done, by loader.
        keep_clips: Whether decoded clips are kept for later evaluations of the same data.
    """

    rank: int = 0
    world_size: int = 1
    finished: Mapping[int, Collection[int]] = field(default_factory=dict)
    keep_clips: bool = False

    def of_loader(self, loader: int) -> Share:
        """Its part of the batches of one loader."""
        return Share(self.rank, self.world_size, self.finished.get(loader, ()))
