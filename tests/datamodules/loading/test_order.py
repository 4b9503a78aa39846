"""Order and randomness of training, as functions of seed, epoch and video."""

from contextlib import nullcontext
from itertools import chain
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import BatchSampler

from datamodules.loading.guarded_loader import GuardedLoader
from datamodules.loading.order import Draw, EpochOrder, TooFewVideosError
from datamodules.loading.worker import load_batch


class Random:
    """Items that are random numbers."""

    def __init__(self, length: int) -> None:
        self.paths = [Path(f"{index}.mp4") for index in range(length)]

    def __getitem__(self, index: int) -> tuple[int, float]:
        if index == 999:
            raise IndexError(index)
        return index, float(torch.rand(()))


def batches(num_workers: int, *, epoch: int = 0, num_videos: int = 11, batch_size: int = 3, **options: int) -> list:
    order = EpochOrder(num_videos, batch_size=batch_size, **({"seed": 0} | options))
    order.set_epoch(epoch)
    sampler = BatchSampler(order, batch_size, drop_last=True)
    return list(GuardedLoader(Random(num_videos), sampler, num_workers=num_workers, collate_fn=list, timeout=0))


def videos(drawn: list) -> list[int]:
    return [index for batch in drawn for index, _ in batch]


def test_an_epoch_has_each_video_once_and_its_last_incomplete_batch_not_at_all():
    drawn = batches(0, num_videos=12)
    assert sorted(videos(drawn)) == list(range(12))
    drawn = batches(0, num_videos=11)
    assert [len(batch) for batch in drawn] == [3, 3, 3]
    assert len(set(videos(drawn))) == 9


@pytest.mark.parametrize("num_workers", [1, 2])
def test_worker_processes_change_nothing(num_workers):
    assert batches(num_workers, epoch=3) == batches(0, epoch=3)


def test_epoch_and_seed_change_order_and_draws():
    first = batches(0)
    assert batches(0) == first
    for other in (batches(0, epoch=1), batches(0, seed=1)):
        assert videos(other) != videos(first)
        assert not {value for batch in other for _, value in batch} & {value for batch in first for _, value in batch}


def test_videos_of_an_epoch_are_drawn_independently():
    values = [value for batch in batches(0, num_videos=300) for _, value in batch]
    assert len(set(values)) == 300
    assert 0.4 < sum(values) / 300 < 0.6


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_the_batches_of_one(world_size):
    processes = [
        batches(0, num_videos=19, batch_size=2, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    together = [sorted(chain.from_iterable(parts)) for parts in zip(*processes, strict=True)]
    assert together == [sorted(batch) for batch in batches(0, num_videos=19, batch_size=2 * world_size)]


@pytest.mark.parametrize("num_videos", range(6, 13))
def test_processes_have_equally_many_batches_of_different_videos(num_videos):
    processes = [batches(0, num_videos=num_videos, batch_size=2, rank=rank, world_size=3) for rank in range(3)]
    assert {len(drawn) for drawn in processes} == {num_videos // 3 // 2}
    seen = [video for drawn in processes for video in videos(drawn)]
    assert len(seen) == len(set(seen))


def test_a_batch_for_each_process_is_the_least():
    EpochOrder(6, batch_size=2, seed=0, world_size=3)
    with pytest.raises(TooFewVideosError, match="batch_size=2 in each of 3 processes exceeds the 5 videos to train on"):
        EpochOrder(5, batch_size=2, seed=0, world_size=3)
    with pytest.raises(TooFewVideosError, match=r"^batch_size=2 exceeds the 1 videos"):
        EpochOrder(1, batch_size=2, seed=0)


def test_passes_by_hand_are_epochs_one_after_the_other():
    order = EpochOrder(5, batch_size=2, seed=0)
    passes = [list(order) for _ in range(3)]
    for epoch, drawn in enumerate(passes):
        order.set_epoch(epoch)
        assert list(order) == drawn
    assert len({tuple(drawn) for drawn in passes}) == 3


def load(*draws: Draw) -> list[tuple[int, float]]:
    return load_batch(Random(4), list, draws, {}, lambda video: nullcontext())


def state() -> Tensor:
    return torch.get_rng_state()


def test_the_generator_of_the_process_is_left_as_it_was():
    torch.manual_seed(3)
    before = state()
    load(Draw(0, 7), Draw(1, 8))
    assert torch.equal(state(), before)
    with pytest.raises(IndexError):
        load(Draw(999, 7))
    assert torch.equal(state(), before)


def test_a_draw_without_a_seed_goes_on_with_the_generator_of_the_process():
    torch.manual_seed(3)
    expected = torch.rand(2).tolist()
    torch.manual_seed(3)
    assert [value for _, value in load(Draw(0), Draw(1))] == expected
