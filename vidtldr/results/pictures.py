"""The pictures that a run leaves: a strip and a video of each clip under each method, and a list of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidtldr.drawing.files import write_gif, write_mp4, write_png
from vidtldr.drawing.maps import Frames
from vidtldr.drawing.pictures import merge_map, resized, side_by_side
from vidtldr.drawing.strip import Row, strip
from vidtldr.results.choice import Chosen
from vidtldr.storage.atomic_files import write_atomically

_STRIP_WIDTH, _LOWEST, _HIGHEST = 1280, 80, 160  # pixels; of a row of frames, and of a frame
_MOST_COLUMNS = 8  # frames in a line
_PLAYED_SECONDS = 4.0  # the few frames of a clip over so long can be followed


@dataclass(frozen=True)
class ClipTrace:
    """What a method made of a clip.

    Attributes:
        owner: Which token stands for each patch after the last layer, ``[t, h, w]``, integers; -1 for none.
        share: How much of each patch is left, ``[t, h, w]``, in [0, 1].
        num_tokens: Tokens that leave the last layer, prefix tokens included.
    """

    owner: np.ndarray
    share: np.ndarray
    num_tokens: int

    @property
    def reduced(self) -> bool:
        """Whether tokens merged or were dropped."""
        return bool((self.owner < 0).any()) or np.unique(self.owner).size < self.owner.size


@dataclass(frozen=True)
class Drawn:
    """Files of a clip under one method.

    Attributes:
        png: Frames, and below them what merged.
        mp4: The same beside each other, to be played.
        gif: Likewise, for where no video plays.
    """

    png: Path
    mp4: Path
    gif: Path


@dataclass
class Album:
    """The pictures of a run.

    Attributes:
        folder: Where they lie, beside ``index.json``; made where it is missing.
        chosen: The samples that are shown.
        drawn: By the position of a sample and the name of a method.
    """

    folder: Path
    chosen: Sequence[Chosen]
    drawn: dict[tuple[int, str], Drawn] = field(default_factory=dict)

    def draw(self, number: int, method: str, frames: Frames, trace: ClipTrace) -> None:
        """Draw a clip under a method.

        Args:
            number: Position of its sample.
            method: Name of the method.
            frames: The clip, ``[T, H, W, 3]``.
            trace: What the method made of it.

        Raises:
            UserError: It cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        num_lines = -(-len(frames) // _MOST_COLUMNS)
        columns = -(-len(frames) // num_lines)  # such that lines are equally long
        frames = resized(frames, min(max(_STRIP_WIDTH // columns, _LOWEST), _HIGHEST))
        rows, played = [Row(frames, self.chosen[number].video)], frames
        if trace.reduced:
            merged = merge_map(frames, trace.owner, trace.share)
            rows.append(Row(merged, f"{method}: {trace.num_tokens:,} tokens of {trace.owner.size:,}"))
            played = side_by_side(frames, merged)
        path = self.folder / f"{number + 1:04}_{method}"
        files = Drawn(*(path.with_name(f"{path.name}.{kind}") for kind in ("png", "mp4", "gif")))
        write_png(files.png, strip(rows, columns=columns), colours=256)
        fps = len(frames) / _PLAYED_SECONDS
        write_mp4(files.mp4, played, fps=fps)
        write_gif(files.gif, played, fps=fps)
        self.drawn[number, method] = files

    def of_method(self, method: str) -> list[tuple[int, Drawn]]:
        """Position of each sample that was drawn under a method, and the files."""
        return [(number, files) for (number, name), files in self.drawn.items() if name == method]

    def write_index(self) -> None:
        """List what was drawn."""
        entries = [
            {
                "sample": chosen.sample,
                "video": chosen.video,
                "methods": {
                    method: {"png": files.png.name, "mp4": files.mp4.name}
                    for (at, method), files in self.drawn.items()
                    if at == number
                },
            }
            for number, chosen in enumerate(self.chosen)
        ]
        text = json.dumps(entries, indent=2, ensure_ascii=False)
        write_atomically(self.folder / "index.json", text + "\n")
