"""A folder with a folder of videos for each class, which needs no list: Kinetics as it is often unpacked."""

import logging
from collections.abc import Iterator
from pathlib import Path

from datamodules.annotations.class_numbering import numbered_by_name
from datamodules.annotations.content import Content
from datamodules.annotations.records import RecognitionRecords
from datamodules.annotations.text_files import is_text, shown
from datamodules.annotations.video_files import strip_suffix

logger = logging.getLogger(__name__)


def is_class_tree(folder: Path) -> bool:
    """Whether there is a video in a folder of this folder."""
    return folder.is_dir() and next(_videos(folder), None) is not None


def read_class_tree(content: Content) -> RecognitionRecords:
    """The videos of a folder, ``<class>/<video>``, by class and name.

    Raises:
        FileNotFoundError: There is no video in a folder of this folder, or no file numbers its classes.
        ValueError: A class is not in the file that numbers them, or a name is no text.
    """
    folder = content.path
    found = sorted(_videos(folder))
    if not found:
        raise FileNotFoundError(f"{folder} holds no folder of a class with videos in it")
    unreadable = next((name for pair in found for name in pair if not is_text(name)), None)
    if unreadable is not None:
        raise ValueError(f"{folder}: {shown(unreadable)} is no name in UTF-8")
    names = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}
    videos = [f"{folder.name}/{class_name}/{video}" for class_name, video in found]
    records = numbered_by_name(content, videos, [class_name for class_name, _ in found], names)
    logger.info(
        "%s: read as class folders, %d videos of %d of %d classes",
        folder,
        len(videos),
        len(set(records.labels)),
        records.num_classes,
    )
    return records


def _videos(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            for video in path.iterdir():
                # a leading dot: what macOS leaves beside each copied file
                if not video.name.startswith(".") and strip_suffix(video.name) != video.name and video.is_file():
                    yield path.name, video.name
