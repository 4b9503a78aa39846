import torch

from datamodules.annotations.records import RetrievalRecords
from datamodules.loading.clip_datasets import Item, TextDataset, collate_clips, collate_texts

SHAPE = (4, 3, 8, 8)


def test_a_batch_holds_the_readable_clips_and_names_the_broken():
    items = [Item(3, torch.ones(SHAPE, dtype=torch.uint8)), Item(4, None, broken="why")]
    batch = collate_clips(items, SHAPE)
    assert batch.clips.shape == (1, *SHAPE)
    assert batch.index.tolist() == [3]
    assert batch.broken == [(4, "why")]
    assert batch.texts is None


def test_a_batch_of_broken_videos_is_empty_but_typed():
    batch = collate_clips([Item(0, None, broken="why", text="t")], SHAPE)
    assert batch.clips.shape == (0, *SHAPE)
    assert batch.clips.dtype == torch.uint8
    assert batch.index.dtype == torch.int64
    assert batch.texts == []


def test_texts_are_cleaned_and_keep_their_positions():
    dataset = TextDataset(RetrievalRecords.from_captions([("a", ["A cat!", "Up."]), ("b", ["A cat!"])]))
    batch = collate_texts([dataset[index] for index in range(len(dataset))])
    assert batch.texts == ["a cat", "up", "a cat"]
    assert batch.index.tolist() == [0, 1, 2]
    assert batch.videos == [[0], [0], [1]]
