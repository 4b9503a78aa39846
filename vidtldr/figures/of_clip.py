"""Figures 2, 4 and 6 of the paper, of one clip: arrays first, then the rows of a picture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from vidtldr.drawing.maps import Frames
from vidtldr.drawing.pictures import Limits, heat_map, mark_patch, merge_map, resized, side_by_side
from vidtldr.drawing.strip import Row
from vidtldr.measuring.clip_grid import encoder_input
from vidtldr.measuring.shown_clips import Clip
from vidtldr.measuring.token_scores import LayerScores, layer_scores, query_attention, rollout_scores
from vidtldr.merging import Method
from vidtldr.results.report import describe_options

Place = tuple[int, int, int]
"""Step, row and column of a patch."""

_MOST_COLUMNS = 8
_FRAME_HEIGHT = 160  # pixels; of 8 frames beside each other, as much as a page shows


@dataclass(frozen=True)
class Subject:
    """A model and a clip.

    Attributes:
        encoder: In eval mode.
        clip: What it sees.
    """

    encoder: VisionTransformer
    clip: Clip

    @property
    def inputs(self) -> Tensor:
        """The clip as the encoder takes it."""
        return encoder_input(self.encoder, self.clip.pixels.unsqueeze(0))

    @property
    def num_frames(self) -> int:
        """Frames of the clip."""
        return len(self.clip.pixels)

    @property
    def frames(self) -> Frames:
        """The clip in a size to look at."""
        return resized(self.clip.frames, _FRAME_HEIGHT)

    @property
    def columns(self) -> int:
        """Frames beside each other, such that lines of them are equally long."""
        num_lines = -(-self.num_frames // _MOST_COLUMNS)
        return -(-self.num_frames // num_lines)

    def scores(self, layer: int | None, method: Method | None = None) -> LayerScores:
        """Scores of a layer, of the last if it is None.

        Raises:
            ValueError: There is no such layer.
        """
        depth = None if layer is None else layer + 1
        layers = layer_scores(self.encoder, self.inputs, num_frames=self.num_frames, method=method, depth=depth)
        if layer is not None and not 0 <= layer < len(layers):
            raise ValueError(f"no layer {layer + 1}: the model has {len(layers)}")
        return layers[-1]


@dataclass(frozen=True)
class Figure:
    """What is drawn, and what it is drawn from.

    Attributes:
        rows: Of the picture.
        arrays: By name, ``[t, h, w]`` each.
        videos: What can be played beside each other, ``[T, H, W, 3]`` each.
    """

    rows: list[Row]
    arrays: dict[str, np.ndarray]
    videos: tuple[Frames, ...] = ()

    @property
    def video(self) -> Frames:
        """All that can be played, beside each other."""
        return side_by_side(*self.videos)


def saliency_figure(subject: Subject, *, layer: int) -> Figure:
    """Figure 2: attentiveness, rollout and saliency of a layer of the unreduced model, over all frames.

    Args:
        subject: Model and clip.
        layer: Index of the layer, 0-based; rollout is of the whole model.
    """
    scores = subject.scores(layer)
    rolled = rollout_scores(subject.encoder, subject.inputs, num_frames=subject.num_frames)
    arrays = {
        "attentiveness": _array(scores.attentiveness),
        "rollout": _array(rolled),
        "saliency": _array(scores.saliency),
    }
    frames = subject.frames
    rows = [
        Row(frames, subject.clip.name),
        _heat(frames, _over_mean(arrays["attentiveness"]), f"attentiveness of layer {layer + 1}, times the mean"),
        _heat(frames, _over_mean(arrays["rollout"]), "rollout through all layers, times the mean"),
        _heat(frames, arrays["saliency"], f"saliency of layer {layer + 1}", Limits(0, 1)),
    ]
    return Figure(rows, arrays)


def query_figure(subject: Subject, *, layer: int, query: Place | None = None) -> Figure:
    """Figure 4: whom one patch attends to in a layer of the unreduced model.

    Args:
        subject: Model and clip.
        layer: Index of the layer, 0-based.
        query: The patch; None takes those whose attention is the sharpest and the flattest.
    """
    frames, arrays = subject.frames, {}
    rows = [Row(frames, subject.clip.name)]
    for name, place in {"query": query}.items() if query else _extremes(subject, layer).items():
        attention = query_attention(subject.encoder, subject.inputs, place, num_frames=subject.num_frames, layer=layer)
        arrays[name] = _array(attention)
        where = ",".join(map(str, place))
        caption = f"{name}: attention of patch {where} in layer {layer + 1}, times the mean"
        row = _heat(frames, _over_mean(arrays[name]), caption)
        rows.append(Row(mark_patch(row.pictures, place, arrays[name].shape), row.caption, row.limits))
    return Figure(rows, arrays)


def merging_figure(subject: Subject, methods: Mapping[str, Method], *, layer: int | None = None) -> Figure:
    """Figure 6: where tokens merged under each method, their mass per patch, and what survives of each patch.

    Args:
        subject: Model and clip.
        methods: By name.
        layer: Index of the layer behind which tokens are looked at, 0-based; None means the last one in which a method
            whose ``r`` is a list reduces, such as vid-TLDR, and the last of all where no method's is. Those that reduce
            in every layer may have a single token left behind the last, which shows nothing.
    """
    if layer is None:
        layer = _last_listed(methods.values(), depth=len(subject.encoder.blocks))
    frames = subject.frames
    rows, videos = [Row(frames, subject.clip.name)], [frames]
    arrays: dict[str, np.ndarray] = {}
    for name, method in methods.items():
        scores = subject.scores(layer, method)
        owner, share, mass = map(_array, (scores.owner, scores.share, scores.mass))
        arrays |= {f"{name}_owner": owner, f"{name}_share": share, f"{name}_mass": mass}
        title = " ".join(filter(None, (name, describe_options(method.changed_options()))))
        merged = merge_map(frames, owner, share)
        left = "1 token" if scores.num_tokens == 1 else f"{scores.num_tokens} tokens"
        rows.append(Row(merged, f"{title}: {left} of {owner.size} after layer {layer + 1}"))
        if not np.all(mass == 1):  # of ToMe it always is
            rows.append(_heat(frames, mass, f"{name}: mass of the token for each of its patches", Limits(0, 1)))
            rows.append(_heat(frames, share, f"{name}: share of the patch that survives", Limits(0, 1)))
        videos.append(merged)
    return Figure(rows, arrays, tuple(videos))


def _last_listed(methods: Iterable[Method], *, depth: int) -> int:
    """Index of the last layer in which a method whose ``r`` is a list reduces; the last one where there is none."""
    schedules = [method.schedule(depth) for method in methods if isinstance(method.r, Sequence)]
    return max((layer for rates in schedules for layer, rate in enumerate(rates) if rate), default=depth - 1)


def _heat(frames: Frames, values: np.ndarray, caption: str, limits: Limits | None = None) -> Row:
    limits = limits or Limits.of(values)
    return Row(heat_map(frames, values, limits), caption, limits)


def _extremes(subject: Subject, layer: int) -> dict[str, Place]:
    """The patches whose attention is the sharpest and the flattest."""
    sharpness = _array(subject.scores(layer).sharpness)
    found = {"sharpest": int(sharpness.argmax()), "flattest": int(sharpness.argmin())}
    steps = {name: np.unravel_index(at, sharpness.shape) for name, at in found.items()}
    return {name: (int(place[0]), int(place[1]), int(place[2])) for name, place in steps.items()}


def _over_mean(values: np.ndarray) -> np.ndarray:
    """Scores as multiples of their mean, which can be compared between clips of any number of patches."""
    return values / np.nanmean(values)


def _array(scores: Tensor) -> np.ndarray:
    """The only clip of a batch, ``[t, h, w]``."""
    array: np.ndarray = scores[0].cpu().numpy()
    return array
