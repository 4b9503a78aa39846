"""What is known of generated videos: where their objects are, from the same scenes that the videos were drawn from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.demo.sets.every import SETS
from datamodules.demo.sets.production import VideoSet, made_splits


@dataclass(frozen=True)
class KnownVideos:
    """The generated videos in a folder.

    Attributes:
        root: Folder of the data set.
        videos: The set.
        places: Split and number of each video, by its path below ``root``.
    """

    root: Path
    videos: VideoSet
    places: dict[str, tuple[str, int]]

    @classmethod
    def of(cls, root: Path) -> "KnownVideos":
        """Look up which generated set lies in a folder: its manifest tells.

        Raises:
            ValueError: None does, or one that another version of the generator made.
        """
        for videos in SETS.values():
            if made := made_splits(videos, root):
                numbers = ((split, index) for split, count in made.items() for index in range(count))
                return cls(root, videos, {videos.video(*number): number for number in numbers})
        manifests = [videos.manifest for videos in SETS.values()]
        if found := [name for name in manifests if (root / name).is_file()]:
            raise ValueError(f"{root / found[0]} is of another version of the generator: make the videos anew")
        raise ValueError(
            f"{root} holds no generated videos, whose objects alone are known: looked for {', '.join(manifests)}"
        )

    def frames(self, path: Path) -> np.ndarray:
        """Frames of a video before they were encoded, ``[t, h, w, 3]`` uint8.

        Raises:
            ValueError: It is not among the generated ones.
        """
        return self.videos.frames(*self._place(path))

    def cover(self, path: Path) -> np.ndarray:
        """How much of each pixel of a video is object and not background, ``[t, h, w]`` float32 in 0..1.

        Raises:
            ValueError: It is not among the generated ones.
        """
        return self.videos.cover(*self._place(path))

    def _place(self, path: Path) -> tuple[str, int]:
        file, root = path.resolve(), self.root.resolve()
        name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
        if name not in self.places:
            raise ValueError(f"{path} is none of the {len(self.places)} videos that were generated into {self.root}")
        return self.places[name]
