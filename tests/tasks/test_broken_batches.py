"""Training batches whose videos were broken."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from datamodules.loading.clip_datasets import Item, collate_clips
from datamodules.loading.question_datasets import collate_questions
from tests.helpers import tiny_classes, tiny_run, tiny_vqa
from vidtldr.tasks import ActionRecognition, BaseToNovel, VideoQuestionAnswering, VideoTextRetrieval
from vidtldr.tasks.fine_tuning.task import nothing_to_learn

SHAPE = (tiny_classes.NUM_FRAMES, 3, tiny_classes.IMAGE_SIZE, tiny_classes.IMAGE_SIZE)


def make(task: type, folder: Path) -> Any:
    """A tiny model with random weights."""
    frames, size = tiny_classes.NUM_FRAMES, tiny_classes.IMAGE_SIZE
    if task is ActionRecognition:
        return task(size=tiny_classes.VIDEOMAE_SIZE, num_classes=3, num_frames=frames, image_size=size)
    helpers = tiny_vqa if task is VideoQuestionAnswering else tiny_run
    vocabulary, sizes = folder / "vocab.txt", helpers.SIZE | {"max_positions": 32}
    if task is BaseToNovel:
        vocabulary.write_text("\n".join(tiny_classes.CLIP_WORDS) + "\n")
        sizes = tiny_classes.CLIP_SIZE
    else:
        helpers.write_vocabulary(vocabulary)
    return task(size=sizes, num_frames=frames, image_size=size, tokenizer=str(vocabulary))


def broken(index: int) -> Item:
    return Item(index, clip=None, broken=f"{index}.mp4: cannot be read as a video", text="a", label=0)


def readable(index: int) -> Item:
    return Item(index, clip=torch.zeros(SHAPE, dtype=torch.uint8), text="a", label=0)


@pytest.mark.parametrize(
    ("task", "items"),
    [
        (ActionRecognition, [broken(0), broken(1)]),
        (BaseToNovel, [broken(0), broken(1)]),
        (VideoQuestionAnswering, [broken(0), broken(1)]),
        (VideoTextRetrieval, [broken(0), broken(1)]),
        (VideoTextRetrieval, [broken(0), readable(1)]),  # one video has no negative
    ],
)
def test_what_is_left_of_a_broken_batch_teaches_nothing_and_keeps_no_process_waiting(task, items, tmp_path, caplog):
    collate = collate_clips if task is not VideoQuestionAnswering else collate_questions
    module = make(task, tmp_path).train()
    loss = module.training_step(partial(collate, clip_shape=SHAPE)(items), 0)
    loss.backward()
    assert float(loss.detach()) == 0
    gradients = {name: value.grad for name, value in module.named_parameters() if value.requires_grad}
    assert gradients
    assert [name for name, gradient in gradients.items() if gradient is None or gradient.any()] == []
    assert caplog.text.count("a training batch is skipped") == 1


def test_large_weights_in_half_precision_give_no_nan():
    module = nn.Linear(300, 300).half()
    module.weight.data.fill_(60_000)
    module.bias.requires_grad_(False)
    loss = nothing_to_learn(module)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not module.weight.grad.any()
    assert module.bias.grad is None
