"""A dataset over two videos of which the decoder does not come back; named by class path in the config of a test."""

import os
import signal
from pathlib import Path

from torch import Tensor

from datamodules import UCF101
from datamodules.annotations.records import RecognitionRecords
from datamodules.clips.training_frames import RandomFrames
from datamodules.loading.view_datasets import LabelledClipDataset

KILLS, HANGS = 6, 8
"""Positions among the training videos of ``tests.helpers.tiny_classes``.

Of two processes that begin with seed 0 the second meets both in the first epoch, the first both in the second.
"""


class ClipsWithAccidents(LabelledClipDataset):
    """Clips of which two leave a trace of each attempt beside the video, and nothing else."""

    def read(self, index: int) -> Tensor:
        if index not in (KILLS, HANGS):
            return super().read(index)
        with attempts(self.paths[index]).open("a") as trace:
            trace.write("x")
        if index == KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        while True:
            signal.pause()


class UCF101WithAccidents(UCF101):
    """UCF101 that trains on :class:`ClipsWithAccidents`."""

    def _training_set(self, records: RecognitionRecords, frames: RandomFrames) -> LabelledClipDataset:
        healthy = super()._training_set(records, frames)
        return ClipsWithAccidents(
            healthy.paths, healthy.labels, frames, self.image_size, crop_scale=self.crop_scale, mirror=self.mirror
        )


def attempts(video: Path) -> Path:
    """A file with one character for each attempt to read a video."""
    return video.with_suffix(".attempts")
