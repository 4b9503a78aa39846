"""Which splits of a generated set a datamodule needs."""

from lightning.pytorch.trainer.states import TrainerFn

from datamodules.base import VideoDataModule
from datamodules.demo.sets.production import VideoSet, ensure


def prepare(datamodule: VideoDataModule, videos: VideoSet, *, training: bool) -> None:
    """Generate what is needed and missing: the test always, ``val`` if a list for validation is named.

    Args:
        datamodule: Reads the set from its ``root``.
        videos: The set.
        training: Whether the training split is needed.
    """
    splits = ["test"]
    splits += ["val"] if datamodule.val_annotation else []
    splits += ["train"] if training else []
    ensure(videos, datamodule.root, splits)


def is_training(datamodule: VideoDataModule) -> bool:
    """Tell whether a trainer is about to train on ``datamodule``, or a list for that is named."""
    fits = datamodule.trainer is not None and datamodule.trainer.state.fn == TrainerFn.FITTING
    return fits or datamodule.train_annotation is not None
