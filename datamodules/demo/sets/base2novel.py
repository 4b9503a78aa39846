"""The demo set for base-to-novel generalisation, in the layout of ViFi-CLIP's lists: classes such as ``red and blue``.

A class is the pair of colours of two objects. With the colours in a circle, base classes are pairs at a distance of 1
or 3 and novel ones pairs at 2 or 4: every word is known from training, no novel pair of words is. Videos lie
in one folder; the lists in ``ucf_splits`` count each half from 0.
"""

from itertools import chain
from typing import ClassVar

from datamodules.demo.pictures.scenes import COLOURS
from datamodules.demo.sets.classified import ClassifiedSet, Label, group_pattern, make_split

GENERATOR_VERSION = 1  # raise it whenever a video or a list changes
VIDEO_FOLDER, LIST_FOLDER = "videos", "ucf_splits"
LABEL_FOLDER = f"{LIST_FOLDER}/labels"


def _pairs(*distances: int) -> tuple[Label, ...]:
    pairs = [(first, (first + distance) % len(COLOURS)) for distance in distances for first in range(len(COLOURS))]
    return tuple(_label(COLOURS[first], COLOURS[second]) for first, second in pairs)


def _label(first: str, second: str) -> Label:
    return Label(f"{first.capitalize()}And{second.capitalize()}", colours=(first, second))


BASE, NOVEL = _pairs(1, 3), _pairs(2, 4)

SPLITS = {
    "test": make_split("test", len(BASE) + len(NOVEL), 8, seed=4001),
    "val": make_split("val", len(BASE), 4, seed=4002),
    "train": make_split("train", len(BASE), 90, seed=4003),
}
LISTS = {
    "test": {"base_val.txt": BASE, "novel_val.txt": NOVEL},
    "val": {"base_dev.txt": BASE},
    "train": {"fs_base_s1_train.txt": BASE},
}
"""Lists of each split with their classes; ``base_dev.txt``, for choosing a checkpoint, has no video of the test."""


class BaseToNovelSet(ClassifiedSet):
    """Videos whose class tells the colours of two objects; shapes and motions are any."""

    manifest: ClassVar = "demo_base2novel.json"
    splits: ClassVar = SPLITS
    generator_version: ClassVar = GENERATOR_VERSION

    def classes(self, split: str) -> tuple[Label, ...]:
        """The base classes; in the test, base and novel ones by turns."""
        return tuple(chain.from_iterable(zip(*LISTS[split].values(), strict=True)))

    def folder(self, label: Label) -> str:
        """All videos lie in one folder."""
        return VIDEO_FOLDER

    def pattern(self, split: str) -> str:
        """The groups of the split."""
        return f"{VIDEO_FOLDER}/{group_pattern(split)}"

    def lists(self, split: str, num_videos: int) -> dict[str, str]:
        """One list for each half that the split shows, with numbers from 0."""
        return {f"{LIST_FOLDER}/{name}": self._list(split, num_videos, half) for name, half in LISTS[split].items()}

    def tables(self) -> dict[str, str]:
        """Number and name of each class, of either half."""
        halves = {"demo_base_labels.csv": BASE, "demo_novel_labels.csv": NOVEL}
        return {f"{LABEL_FOLDER}/{name}": _label_table(half) for name, half in halves.items()}

    def _list(self, split: str, num_videos: int, half: tuple[Label, ...]) -> str:
        lines = []
        for index in range(num_videos):
            if (label := self.label(split, index)) in half:
                lines.append(f"{self.file_name(split, index)} {half.index(label)}\n")
        return "".join(lines)


def class_name(label: Label) -> str:
    """A class in the words of a prompt, ``red and blue``."""
    return " and ".join(label.colours)


def _label_table(half: tuple[Label, ...]) -> str:
    """Lines end as those of the published tables."""
    lines = ["id,name", *(f"{number},{class_name(label)}" for number, label in enumerate(half))]
    return "".join(f"{line}\r\n" for line in lines)


BASE_TO_NOVEL = BaseToNovelSet()
