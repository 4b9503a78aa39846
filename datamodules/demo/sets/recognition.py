"""The demo set for action recognition, in UCF101's own layout: 24 classes, a colour and a motion.

``UCF-101/<Class>/v_<Class>_gGG_cCC.mp4``, and in ``ucfTrainTestlist`` the files ``classInd.txt``, ``trainlist01.txt``,
``testlist01.txt`` and, for choosing a checkpoint, ``vallist01.txt``.
"""

from itertools import product
from typing import ClassVar

from datamodules.demo.sets.classified import ClassifiedSet, Label, group_pattern, make_split

GENERATOR_VERSION = 1  # raise it whenever a video or a list changes
VIDEO_FOLDER, LIST_FOLDER = "UCF-101", "ucfTrainTestlist"
COLOURS = ("red", "green", "blue")
MOTION_NAMES = {
    "right": "MovingRight",
    "left": "MovingLeft",
    "up": "MovingUp",
    "down": "MovingDown",
    "circling": "Circling",
    "spinning": "Spinning",
    "growing": "Growing",
    "shrinking": "Shrinking",
}

CLASSES = tuple(
    sorted(
        (
            Label(colour.capitalize() + name, colours=(colour,), motion=motion)
            for colour, (motion, name) in product(COLOURS, MOTION_NAMES.items())
        ),
        key=lambda label: label.name,
    )
)
"""All classes in alphabetical order, as those of UCF101; the first is number 1 in the files."""

SPLITS = {
    "test": make_split("test", len(CLASSES), 10, seed=3001),
    "val": make_split("val", len(CLASSES), 4, seed=3002),
    "train": make_split("train", len(CLASSES), 100, seed=3003),
}


class RecognitionSet(ClassifiedSet):
    """Videos whose class tells colour and motion; the shape is any."""

    manifest: ClassVar = "demo_recognition.json"
    splits: ClassVar = SPLITS
    generator_version: ClassVar = GENERATOR_VERSION

    def classes(self, split: str) -> tuple[Label, ...]:
        """All classes, in every split."""
        return CLASSES

    def folder(self, label: Label) -> str:
        """Every class has a folder."""
        return f"{VIDEO_FOLDER}/{label.name}"

    def pattern(self, split: str) -> str:
        """In all folders, the groups of the split."""
        return f"{VIDEO_FOLDER}/*/{group_pattern(split)}"

    def lists(self, split: str, num_videos: int) -> dict[str, str]:
        """One list, with numbers from 1; the test list has none, as that of UCF101."""
        lines = []
        for index in range(num_videos):
            label = self.label(split, index)
            number = "" if split == "test" else f" {CLASSES.index(label) + 1}"
            lines.append(f"{label.name}/{self.file_name(split, index)}{number}\n")
        return {f"{LIST_FOLDER}/{list_name(split)}": "".join(lines)}

    def tables(self) -> dict[str, str]:
        """Number and name of each class."""
        lines = (f"{number} {label.name}\n" for number, label in enumerate(CLASSES, start=1))
        return {f"{LIST_FOLDER}/classInd.txt": "".join(lines)}


def list_name(split: str) -> str:
    """Name of a split's list, as those of UCF101 are called."""
    return f"{split}list01.txt"


RECOGNITION = RecognitionSet()
