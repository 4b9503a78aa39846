"""The figures of several clips, written to a folder: a folder for each clip, beside it what is said of all."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain, count, product
from pathlib import Path

from timm.models.vision_transformer import VisionTransformer

from callbacks import ProgressCallback
from vidtldr.drawing.charts import NEUTRAL, RULE, colours, curves
from vidtldr.drawing.files import write_mp4, write_npz, write_png
from vidtldr.drawing.strip import strip
from vidtldr.figures.of_clip import Figure, Place, Subject, merging_figure, query_figure, saliency_figure
from vidtldr.figures.of_set import Shares, shares_of
from vidtldr.measuring.frame_shares import step_name
from vidtldr.measuring.shown_clips import Clip
from vidtldr.merging import Method
from vidtldr.storage.atomic_files import write_atomically

FIGURES = (2, 4, 5, 6)
"""Figures of the paper that are drawn; A comes with 5."""
CLIP_FIGURES = (2, 4, 6)
"""Those of a single clip."""

_PALETTE_SIZE = 256
_PLAYED_SECONDS = 4.0  # the few frames of a clip over so long can be followed


@dataclass(frozen=True)
class Album:
    """Figures of a model and its methods.

    Attributes:
        encoder: In eval mode.
        methods: Those that reduce, by name.
        folder: Where files go; made where it is missing.
        layer: Index of the layer that is looked at, 0-based; None takes the first, and in figure 6 what
            :func:`~vidtldr.figures.of_clip.merging_figure` takes.
        query: Patch of figure 4; None takes two that differ most.
    """

    encoder: VisionTransformer
    methods: Mapping[str, Method]
    folder: Path
    layer: int | None = None
    query: Place | None = None

    def draw_clips(self, clips: Sequence[Clip], figures: Sequence[int]) -> None:
        """Draw the figures of single clips, with their arrays, and for figure 6 a video.

        Raises:
            ValueError: The layer or the query is not there.
            UserError: A file cannot be written.
        """
        wanted = [number for number in CLIP_FIGURES if number in figures]
        folders = _folders(clips)
        with closing(ProgressCallback()) as progress:
            progress.on_stage_start("figures of clips", len(clips) * len(wanted))
            for clip, number in product(clips, wanted):
                self._draw(clip, number, self.folder / folders[clip.name])
                progress.on_stage_advance()
            progress.on_stage_end()

    def draw_set(self, clips: Iterable[Clip], total: int) -> Shares:
        """Draw figures 5 and A of a whole set, and write their numbers.

        Args:
            clips: The set.
            total: How many clips it has, for the progress.

        Raises:
            ValueError: There is no clip, or no such layer.
            UserError: A file cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with closing(ProgressCallback()) as progress:
            progress.on_stage_start("shares of frames", total)
            advance = progress.on_stage_advance
            shares = shares_of(self.encoder, clips, self.methods, layer=self.layer or 0, on_clip=advance)
            progress.on_stage_end()
        step = step_name(shares.frames_per_step)
        for name, lines in ("figure5", shares.scores), ("figureA", shares.causes), ("figure5_kept", shares.kept):
            if lines:
                self._chart(name, lines, step, shares.num_clips)
        write_atomically(self.folder / "figure5.json", json.dumps(asdict(shares), indent=2) + "\n", durable=False)
        return shares

    def _draw(self, clip: Clip, number: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        subject = Subject(self.encoder, clip)
        figure = self._figure(number, subject)
        sheet = strip(figure.rows, columns=subject.columns, transparent=True)
        write_png(folder / f"figure{number}.png", sheet, colours=_PALETTE_SIZE)
        write_npz(folder / f"figure{number}.npz", {"frames": clip.frames, **figure.arrays})
        if figure.videos:
            write_mp4(folder / f"figure{number}.mp4", figure.video, fps=len(clip.pixels) / _PLAYED_SECONDS)

    def _figure(self, number: int, subject: Subject) -> Figure:
        if number == 2:
            return saliency_figure(subject, layer=self.layer or 0)
        if number == 4:
            return query_figure(subject, layer=self.layer or 0, query=self.query)
        return merging_figure(subject, self.methods, layer=self.layer)

    def _chart(self, name: str, shares: Mapping[str, Sequence[float]], step: str, num_clips: int) -> None:
        even = 100 / len(next(iter(shares.values())))
        percent = {key: [100 * share for share in values] for key, values in shares.items()}
        title = f"Share of each {step} by {', '.join(shares)}"
        of = "of 1 clip" if num_clips == 1 else f"mean of {num_clips:,} clips"
        chart = curves(percent, colours(percent), title=title, x_label=step, y_label=f"share (%), {of}", even=even)
        # A file of its own has no page whose colours it could follow: grey reads on any.
        alone = chart.replace("currentColor", NEUTRAL).replace(f"var(--rule, {RULE})", f"{NEUTRAL}50")
        write_atomically(self.folder / f"{name}.svg", alone, durable=False)


def _folders(clips: Iterable[Clip]) -> dict[str, str]:
    """A folder for each clip by its name; ``a.mp4`` and ``a.avi`` do not share one."""
    folders: dict[str, str] = {}
    for clip in clips:
        numbered = (f"{clip.folder_name}_{number}" for number in count(2))
        names = chain([clip.folder_name], numbered)
        folders[clip.name] = folders.get(clip.name) or next(name for name in names if name not in folders.values())
    return folders
