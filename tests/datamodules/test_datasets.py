import time
from functools import partial
from pathlib import Path

import pytest
import torch

from datamodules.datasets import ClipDataset, Item, TextDataset, collate_clips, collate_texts, training_loader
from datamodules.records import RetrievalRecords
from datamodules.training_order import DrawnDataset, EpochOrder

SHAPE = (4, 3, 8, 8)


class SlowDataset(DrawnDataset, ClipDataset):
    """Stands for a decoder that hangs."""

    def __getitem__(self, index):
        time.sleep(3 if index == 2 else 0)
        return Item(index, torch.zeros(SHAPE, dtype=torch.uint8))


def test_a_batch_holds_the_readable_clips_and_names_the_broken():
    items = [Item(3, torch.ones(SHAPE, dtype=torch.uint8)), Item(4, None, broken="why")]
    batch = collate_clips(items, SHAPE)
    assert batch["clips"].shape == (1, *SHAPE)
    assert batch["index"].tolist() == [3]
    assert batch["broken"] == [(4, "why")]
    assert "texts" not in batch


def test_a_batch_of_broken_videos_is_empty_but_typed():
    batch = collate_clips([Item(0, None, broken="why", text="t")], SHAPE)
    assert batch["clips"].shape == (0, *SHAPE)
    assert batch["clips"].dtype == torch.uint8
    assert batch["index"].dtype == torch.int64
    assert batch["texts"] == []


def test_texts_are_cleaned_and_keep_their_positions():
    dataset = TextDataset(RetrievalRecords.from_captions([("a", ["A cat!", "Up."]), ("b", ["A cat!"])]))
    batch = collate_texts([dataset[index] for index in range(len(dataset))])
    assert batch["texts"] == ["a cat", "up", "a cat"]
    assert batch["index"].tolist() == [0, 1, 2]
    assert batch["videos"] == [[0], [0], [1]]


def test_a_decoder_that_hangs_ends_a_training_with_the_name_of_the_option():
    dataset = SlowDataset([Path("a")] * 4, num_frames=4, image_size=8)
    collate = partial(collate_clips, clip_shape=SHAPE)
    order = EpochOrder(len(dataset), batch_size=1, seed=0)
    loader = training_loader(dataset, order, batch_size=1, num_workers=1, timeout=1, collate=collate)
    with pytest.raises(TimeoutError, match=r"no batch of 1 videos was decoded in 1 seconds.*decode_timeout"):
        list(loader)
