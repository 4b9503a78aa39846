"""What processes tell each other of broken videos; ``tests/end_to_end/test_train_robust.py`` has real processes."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from callbacks.broken_videos import SharedBrokenVideosCallback
from datamodules import UCF101
from tests.helpers import tiny_classes


@pytest.fixture
def datamodule(tmp_path: Path) -> UCF101:
    """Set up to train, with video 1 left out."""
    datamodule = UCF101(str(tiny_classes.write_ucf101(tmp_path / "ucf101")), num_workers=0)
    datamodule.setup("fit")
    datamodule.train_dataloader()
    datamodule.leave_out({1: "1.avi: broken"})
    return datamodule


def test_each_process_leaves_out_what_another_did_and_says_so_once(datamodule, monkeypatch, caplog):
    def gather(everywhere: list, own: dict) -> None:
        everywhere[:] = [own, {1: "1.avi: broken", 4: "4.avi: hangs"}]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    trainer = SimpleNamespace(world_size=2, datamodule=datamodule)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            SharedBrokenVideosCallback().on_train_epoch_end(trainer, None)
    assert datamodule.left_out == {1: "1.avi: broken", 4: "4.avi: hangs"}
    assert caplog.messages == ["left out of training: 4.avi: hangs"]


def test_one_process_asks_nobody(datamodule, monkeypatch):
    monkeypatch.delattr(torch.distributed, "all_gather_object")
    SharedBrokenVideosCallback().on_train_epoch_end(SimpleNamespace(world_size=1, datamodule=datamodule), None)
    assert datamodule.left_out == {1: "1.avi: broken"}
