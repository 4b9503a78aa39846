"""A wrong file as the checkpoint is what a task tells first, whatever else is missing."""

import pytest
import torch

from tests.helpers.tiny_classes import CLIP_SIZE
from tests.helpers.tiny_run import IMAGE_SIZE, NUM_FRAMES, SIZE
from vidtldr.errors import UserError
from vidtldr.tasks import BaseToNovel, VideoQuestionAnswering, VideoTextRetrieval

LONG = SIZE | {"max_positions": 32}  # room for texts of the default lengths


@pytest.mark.parametrize(
    ("task", "size"),
    [(VideoTextRetrieval, LONG), (VideoQuestionAnswering, LONG), (BaseToNovel, CLIP_SIZE)],
)
def test_a_wrong_checkpoint_is_told_before_a_missing_vocabulary(task, size, tmp_path):
    torch.save({"conv.weight": torch.zeros(2, 2)}, tmp_path / "resnet.pth")
    options = {"size": size, "num_frames": NUM_FRAMES, "image_size": IMAGE_SIZE, "tokenizer": str(tmp_path / "no.txt")}
    with pytest.raises(UserError, match=r"checkpoint '.*resnet.pth'"):
        task(**options, checkpoint=str(tmp_path / "resnet.pth"))
    with pytest.raises(UserError, match=r"no\.txt"):
        task(**options)
