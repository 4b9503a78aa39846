"""Recognition data whose official lists part the same videos in three ways."""

from typing import Any, Literal

from datamodules.recognition import RecognitionDataModule


class SplitRecognition(RecognitionDataModule):
    """Recognition in one of three official splits.

    Args:
        split: Official split; results are reported on the first, or as the mean over the three.
        num_segments: Clips of each video in a test.
        num_crops: Squares along the long side of each of these clips.
        stride: Frames from one frame of a clip to the next.
        **options: Options of :class:`~datamodules.recognition.RecognitionDataModule`.
    """

    def __init__(
        self,
        root: str,
        split: Literal[1, 2, 3] = 1,
        num_segments: int = 5,
        num_crops: int = 3,
        stride: int | None = 4,
        **options: Any,
    ):
        super().__init__(root, num_segments=num_segments, num_crops=num_crops, stride=stride, **options)
        if split not in (1, 2, 3):
            raise ValueError(f"split={split} must be 1, 2 or 3")
        self.split = split

    def _unnumbered_lists(self, training: bool) -> tuple[str, ...]:
        """File names of lists that name no split: they are of the first."""
        if self.split != 1:
            return ()
        return ("train.csv",) if training else ("test.csv", "val.csv")
