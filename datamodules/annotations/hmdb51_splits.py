"""HMDB51's official splits: for each class and split a file of all its videos, each marked 0, 1 or 2."""

import logging
import re
from pathlib import Path
from typing import Literal

from datamodules.annotations.records import RecognitionRecords
from datamodules.annotations.text_files import read_utf8, shown
from datamodules.annotations.video_lists import filled_lines

logger = logging.getLogger(__name__)

_FILE = re.compile(r"(.+)_test_split([123])\.txt")
_MARKED = re.compile(r"(.*\S)\s+([012])")  # names hold blanks, brackets and the like
_MARKS = {"train": "1", "test": "2"}


def holds_splits(folder: Path) -> bool:
    """Whether a folder has a file ``<class>_test_split1.txt``, or of another split."""
    return folder.is_dir() and any(_FILE.fullmatch(path.name) for path in folder.iterdir())


def read_hmdb51_splits(folder: Path, split: int, part: Literal["train", "test"]) -> RecognitionRecords:
    """Read the videos of a part of a split, ``<class>/<video>``; classes are numbered by the alphabet.

    Args:
        folder: Holds a file ``<class>_test_split<split>.txt`` for each class.
        split: 1, 2 or 3.
        part: Videos marked 1 are for training, 2 for the test; those marked 0 are of neither.

    Raises:
        FileNotFoundError: There is no file of this split.
        ValueError: A line has another form, or the files of some classes are missing for this split alone.
    """
    found = [match for path in folder.iterdir() if (match := _FILE.fullmatch(path.name))]
    class_names = sorted({match[1] for match in found})
    of_split = {match[1]: folder / match[0] for match in found if match[2] == str(split)}
    if not of_split:
        raise FileNotFoundError(f"{folder} holds no file <class>_test_split{split}.txt")
    absent = next((name for name in class_names if name not in of_split), None)
    if absent is not None:
        raise ValueError(
            f"{folder}: {absent}_test_split{split}.txt is missing, though other splits have their files of the class"
        )
    records = RecognitionRecords([], [], class_names)
    for label, name in enumerate(class_names):
        path = of_split[name]
        for place, line in filled_lines(path, read_utf8(path)):
            marked = _MARKED.fullmatch(line.strip())
            if marked is None:
                raise ValueError(f"{place}: expected '<video> <0, 1 or 2>', found {shown(line)}")
            if marked[2] == _MARKS[part]:
                records.videos.append(f"{name}/{marked[1]}")
                records.labels.append(label)
    if not records.videos:
        raise ValueError(
            f"{folder}: no video of split {split} is marked {_MARKS[part]}, which stands for the part {part}"
        )
    logger.info(
        "%s: read as HMDB51's split %d, %d videos of %d classes", folder, split, len(records.videos), len(class_names)
    )
    return records
