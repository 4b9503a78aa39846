"""Single clips of a test set by their names."""

from types import SimpleNamespace

import torch

from vidtldr.measuring.shown_clips import TestSet


def _data(*names: str) -> SimpleNamespace:
    """Data of videos that are filled with their own number."""
    items = [SimpleNamespace(clip=torch.full((2, 3, 4, 4), number), broken=None) for number in range(len(names))]
    loaders = [SimpleNamespace(dataset=items)]
    return SimpleNamespace(records=SimpleNamespace(videos=names), evaluation_loaders=lambda _: loaders)


def test_a_whole_name_comes_before_one_without_its_suffix() -> None:
    test_set = TestSet(_data("run.1", "run", "walk/jump.mp4"))
    for name, number in (("run.1", 0), ("run", 1), ("walk/jump.mp4", 2), ("jump", 2)):
        assert int(test_set.named(name).pixels[0, 0, 0, 0]) == number
