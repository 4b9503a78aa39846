"""What is measured of a model: how well each score finds the foreground, video by video, layer by layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from vidtldr.evidence.agreement import equal_area_iou, roc_auc
from vidtldr.evidence.intervals import mean_of_defined
from vidtldr.evidence.truth import FOREGROUND_SHARE
from vidtldr.measuring.clip_grid import ClipGrid, encoder_input
from vidtldr.measuring.frame_shares import frame_shares
from vidtldr.measuring.token_scores import layer_scores, rollout_scores

SCORES = ("saliency", "attentiveness", "rollout", "random")
"""vid-TLDR's saliency (Eq. 5, 8, 9), attentiveness (Eq. 3), rollout (Eq. 4), and one that knows nothing."""

_Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Finding:
    """How a score finds the foreground; of one video, or of several with an axis for them in front.

    Rollout is of all layers together: it is the same in each.

    Attributes:
        auc: ``[layers]``, among the tokens that attend to each other: those of a clip, or of each frame where frames
            are encoded alone, and then their mean.
        iou: ``[layers]``, likewise.
        frame_auc: ``[layers, t]``, among the tokens of each step of time; NaN where a step has no foreground.
        frame_iou: ``[layers, t]``, likewise.
        shares: ``[layers, t]``, the part of each step in the sum of scores.
    """

    auc: np.ndarray
    iou: np.ndarray
    frame_auc: np.ndarray
    frame_iou: np.ndarray
    shares: np.ndarray

    @classmethod
    def of_videos(cls, findings: Sequence[Self]) -> Self:
        """Put those of single videos together."""
        return cls(**{entry.name: np.stack([getattr(each, entry.name) for each in findings]) for entry in fields(cls)})


@dataclass(frozen=True)
class Foreground:
    """The truth about one video.

    Attributes:
        tokens: Share of its tokens that are foreground.
        shares: The part of each step of time in what objects cover, ``[t]``.
    """

    tokens: float
    shares: np.ndarray

    @classmethod
    def of(cls, cover: Tensor) -> "Foreground":
        """Sum up :func:`~vidtldr.evidence.truth.token_cover`."""
        return cls(float((cover > FOREGROUND_SHARE).float().mean()), frame_shares(cover).mean(dim=0).numpy())


def scores_of(encoder: VisionTransformer, clips: Tensor, generator: np.random.Generator) -> Mapping[str, Tensor]:
    """Every score of every token of some clips in every layer of the unreduced model.

    Args:
        encoder: In eval mode.
        clips: ``[b, t, c, h, w]`` uint8.
        generator: Of the random score.

    Returns:
        By the names in :data:`SCORES`: ``[layers, b, t, h, w]``; one layer for rollout, which is of all together.
    """
    num_frames = clips.shape[1]
    inputs = encoder_input(encoder, clips)
    layers = layer_scores(encoder, inputs, num_frames=num_frames)
    rolled = rollout_scores(encoder, inputs, num_frames=num_frames).cpu()
    drawn = torch.from_numpy(generator.random((len(layers), *rolled.shape)))
    return {
        "saliency": torch.stack([layer.saliency for layer in layers]).cpu(),
        "attentiveness": torch.stack([layer.attentiveness for layer in layers]).cpu(),
        "rollout": rolled[None],
        "random": drawn,
    }


def find(scores: Tensor, cover: Tensor, grid: ClipGrid, num_layers: int) -> Finding:
    """Compare a score of a video's clips with the truth; the mean over the clips.

    Args:
        scores: ``[layers, views, t, h, w]``, or with one layer for all.
        cover: How much of each token is object, ``[views, t, h, w]``.
        grid: The tokens.
        num_layers: Layers of the model.
    """
    layers, views = scores.shape[:2]
    truth = cover > FOREGROUND_SHARE

    def measured(measure: _Measure, parts: int) -> np.ndarray:
        """Within each of some parts of every clip; ``[layers, parts]``."""
        found = _within(
            measure, scores.reshape(layers, views, parts, -1).numpy(), truth.reshape(views, parts, -1).numpy()
        )
        return mean_of_defined(found, axis=1)

    shares = torch.stack([frame_shares(layer) for layer in scores]).mean(dim=1).numpy()
    finding = Finding(
        auc=mean_of_defined(measured(roc_auc, grid.images_per_clip), axis=1),
        iou=mean_of_defined(measured(equal_area_iou, grid.images_per_clip), axis=1),
        frame_auc=measured(roc_auc, grid.steps),
        frame_iou=measured(equal_area_iou, grid.steps),
        shares=shares,
    )
    values = {entry.name: getattr(finding, entry.name) for entry in fields(Finding)}
    return Finding(**{name: np.broadcast_to(value, (num_layers, *value.shape[1:])) for name, value in values.items()})


def _within(measure: _Measure, scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``[layers, views, parts, n]`` against ``[views, parts, n]``: ``[layers, views, parts]``."""
    found = np.empty(scores.shape[:-1])
    for view, part in np.ndindex(truth.shape[:2]):
        found[:, view, part] = measure(scores[:, view, part], truth[view, part])
    return found
