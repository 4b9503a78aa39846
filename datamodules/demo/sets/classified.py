"""What the demo sets for classification share: objects over a torus, and file names as those of UCF101.

Video ``i`` shows class ``i`` modulo the number of classes, so that the first videos of a split show every class. Splits
differ in the groups ``gGG`` of their names, as parts of UCF101 do.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from datamodules.demo.pictures.render import object_cover_torus, render_torus
from datamodules.demo.pictures.torus import TorusScene, make_torus_scene
from datamodules.demo.sets.production import Split, VideoSet

CLIPS_PER_GROUP = 5

_GROUPS = {"test": range(1, 10), "val": range(10, 20), "train": range(20, 100)}
_GROUP_PATTERNS = {"test": "g0?", "val": "g1?", "train": "g[2-9]?"}


@dataclass(frozen=True)
class Label:
    """One class.

    Attributes:
        name: As lists and file names spell it, ``RedMovingUp`` or ``RedAndBlue``.
        colours: Colour of each object.
        motion: Motion of the object; ``None`` if it is not part of the class.
    """

    name: str
    colours: tuple[str, ...]
    motion: str | None = None


def make_split(name: str, num_classes: int, videos_per_class: int, seed: int) -> Split:
    """Facts of the split ``name``."""
    return Split(
        num_videos=num_classes * videos_per_class,
        seed=seed,
        unseen=name != "train",
        most_videos=num_classes * CLIPS_PER_GROUP * len(_GROUPS[name]),
    )


class ClassifiedSet(VideoSet):
    """Videos of one class each; a subclass says of which classes."""

    sheet_stride: ClassVar = 4
    generator_version: ClassVar[int]

    @abstractmethod
    def classes(self, split: str) -> tuple[Label, ...]:
        """Classes of a split, in the order in which its videos show them."""

    @abstractmethod
    def folder(self, label: Label) -> str:
        """Folder of the videos of a class."""

    def label(self, split: str, index: int) -> Label:
        """Class of a video."""
        classes = self.classes(split)
        return classes[index % len(classes)]

    def file_name(self, split: str, index: int) -> str:
        """Name of a video, such as ``v_RedMovingUp_g01_c02.mp4``."""
        group, clip = divmod(index // len(self.classes(split)), CLIPS_PER_GROUP)
        return f"v_{self.label(split, index).name}_g{_GROUPS[split][group]:02d}_c{clip + 1:02d}.mp4"

    def scene(self, split: str, index: int) -> TorusScene:
        """What a video shows."""
        facts, label = self.splits[split], self.label(split, index)
        return make_torus_scene(
            f"{facts.seed}/{index}", unseen=facts.unseen, colours=label.colours, motion=label.motion
        )

    def stamp(self, split: str, num_videos: int) -> dict[str, Any]:
        """Version, seed and size."""
        seed = self.splits[split].seed
        return {"generator_version": self.generator_version, "seed": seed, "videos": num_videos}

    def video(self, split: str, index: int) -> str:
        """Folder of the class and name."""
        return f"{self.folder(self.label(split, index))}/{self.file_name(split, index)}"

    def frames(self, split: str, index: int) -> np.ndarray:
        """Render the scene of a video."""
        return render_torus(self.scene(split, index))

    def cover(self, split: str, index: int) -> np.ndarray:
        """Where the objects of its scene are."""
        return object_cover_torus(self.scene(split, index))

    def texts(self, split: str, index: int) -> list[str]:
        """Class, and what of the scene is not part of it."""
        things = self.scene(split, index).things
        shown = "; ".join(f"{thing.colour} {thing.shape}, {thing.motion}" for thing in things)
        return [f"{self.label(split, index).name}: {shown}"]


def group_pattern(split: str) -> str:
    """Glob pattern of the names of a split's videos."""
    return f"v_*_{_GROUP_PATTERNS[split]}_c??.mp4"
