"""Videos of one's own as clips."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from datamodules.clips.broken import BrokenVideoError
from datamodules.clips.decoder import read_clip
from datamodules.clips.sampling import middle_frames, segment_centres
from datamodules.clips.transforms import crops_along_long_side, resize_frames
from datamodules.recognition import LabelledDataModule
from vidtldr.errors import UserError
from vidtldr.measuring.shown_clips import Clip


def clips_of_videos(paths: Sequence[Path], *, data_class: type, num_frames: int, image_size: int) -> list[Clip]:
    """Videos of one's own as a task's data would bring them to the model; no annotation is needed.

    Args:
        paths: Files.
        data_class: Of the config's data: recognition takes the central square, the others squeeze the whole picture.
        num_frames: Frames of a clip, spread over the whole video.
        image_size: Height and width of a frame in pixels.

    Raises:
        UserError: A file cannot be read as a video.
    """
    square = issubclass(data_class, LabelledDataModule)
    sample = partial(segment_centres if square else middle_frames, num_frames=num_frames)

    def fit(frames: Tensor) -> Tensor:
        return (
            crops_along_long_side(frames, image_size, num_crops=1)[0] if square else resize_frames(frames, image_size)
        )

    clips, names = [], [path.name for path in paths]
    for path in paths:
        try:
            frames = read_clip(path, sample)
        except BrokenVideoError as error:
            raise UserError(str(error)) from error
        clips.append(Clip(path.name if names.count(path.name) == 1 else str(path), fit(frames)))
    return clips
