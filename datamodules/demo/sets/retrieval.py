"""The demo set for retrieval, in MSVD's own layout: ``YouTubeClips/<id>.mp4`` and ``msvd_ret_<split>.json``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datamodules.demo.pictures.render import object_cover, render
from datamodules.demo.pictures.scenes import FPS, TRIMMED, Scene, Style, make_scene
from datamodules.demo.sets import production
from datamodules.demo.sets.output import write_frames
from datamodules.demo.words.captions import make_captions

GENERATOR_VERSION = 3  # raise it whenever a video or a caption changes
VIDEO_FOLDER = "YouTubeClips"


@dataclass(frozen=True, kw_only=True)
class Split(production.Split):
    """What one split consists of.

    Attributes:
        num_captions: Captions per video.
    """

    num_captions: int


SPLITS: Mapping[str, Split] = {
    "test": Split(num_videos=240, num_captions=5, seed=2001, unseen=True),
    "val": Split(num_videos=120, num_captions=5, seed=2002, unseen=True),
    "train": Split(num_videos=6000, num_captions=8, seed=2003, unseen=False),
}


class RetrievalSet(production.VideoSet):
    """Videos of one or two objects with borders, each with several captions."""

    manifest: ClassVar = "demo.json"
    splits: ClassVar = SPLITS
    style: ClassVar[Style] = TRIMMED
    version: ClassVar[int] = GENERATOR_VERSION

    def stamp(self, split: str, num_videos: int) -> dict[str, Any]:
        """Version, seed and sizes."""
        return {
            "generator_version": self.version,
            "seed": SPLITS[split].seed,
            "videos": num_videos,
            "captions_per_video": SPLITS[split].num_captions,
        }

    def scene(self, split: str, index: int) -> Scene:
        """What a video shows."""
        return scene_of(split, index, self.style)

    def video(self, split: str, index: int) -> str:
        """All videos lie in one folder."""
        return f"{VIDEO_FOLDER}/{video_name(split, index)}"

    def pattern(self, split: str) -> str:
        """The name of a video tells its split."""
        return f"{VIDEO_FOLDER}/demo_{split}_*.mp4"

    def frames(self, split: str, index: int) -> np.ndarray:
        """Render the scene of a video."""
        return render(self.scene(split, index))

    def cover(self, split: str, index: int) -> np.ndarray:
        """Where the objects of its scene are."""
        return object_cover(self.scene(split, index))

    def write(self, path: Path, split: str, index: int) -> None:
        """Write the scene of a video."""
        write_video(path, self.scene(split, index))

    def texts(self, split: str, index: int) -> list[str]:
        """Three captions."""
        return make_captions(self.scene(split, index), 3)

    def lists(self, split: str, num_videos: int) -> dict[str, str]:
        """One record for each video."""
        records = []
        for index in range(num_videos):
            scene = self.scene(split, index)
            captions = make_captions(scene, SPLITS[split].num_captions)
            duration = round(scene.num_frames / FPS, 2)
            records.append({"video": video_name(split, index), "caption": captions, "duration": duration})
        return {annotation_name(split): json.dumps(records, indent=1) + "\n"}


RETRIEVAL = RetrievalSet()


def ensure(
    root: Path | str,
    splits: Sequence[str] = ("test",),
    *,
    num_videos: Mapping[str, int] | None = None,
    processes: int | None = None,
) -> None:
    """Make sure that the retrieval set lies complete under ``root``, as :func:`production.ensure` does for any set."""
    production.ensure(RETRIEVAL, root, splits, num_videos=num_videos, processes=processes)


def is_complete(root: Path, split: str, num_videos: int) -> bool:
    """Tell whether a split lies under ``root`` with that many videos, all made by this version of the generator."""
    return production.is_complete(RETRIEVAL, root, split, num_videos)


def annotation_name(split: str) -> str:
    """Name of a split's annotation file, as MSVD's are called."""
    return f"msvd_ret_{split}.json"


def video_name(split: str, index: int) -> str:
    """File name of a video."""
    return f"demo_{split}_{index:04d}.mp4"


def scene_of(split: str, index: int, style: Style = TRIMMED) -> Scene:
    """The scene that the video ``index`` of ``split`` shows."""
    return make_scene(f"{SPLITS[split].seed}/{index}", unseen=SPLITS[split].unseen, style=style)


def write_video(path: Path, scene: Scene) -> None:
    """Render ``scene`` into a video file."""
    write_frames(path, render(scene), FPS)
