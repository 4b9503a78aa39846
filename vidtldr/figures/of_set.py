"""Figures 5 and A of the paper: the share of each frame in the sum of scores, over a whole test set."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from vidtldr.figures.of_clip import Subject
from vidtldr.measuring.frame_shares import MeanFrameShares, position_only, representation_only
from vidtldr.measuring.shown_clips import Clip
from vidtldr.measuring.token_scores import rollout_scores
from vidtldr.merging import Method


@dataclass
class Shares:
    """Mean share of each frame (or tubelet of frames) over clips, by what is shared.

    Attributes:
        scores: Figure 5: attentiveness, saliency and rollout of the unreduced model.
        causes: Figure A: attentiveness with all that the model sees, with position only, with representation only.
        kept: What each method keeps of the frames behind its last layer.
        num_clips: How many the means are over.
        frames_per_step: Frames that share a number, because their pixels share tokens.
    """

    scores: dict[str, list[float]] = field(default_factory=dict)
    causes: dict[str, list[float]] = field(default_factory=dict)
    kept: dict[str, list[float]] = field(default_factory=dict)
    num_clips: int = 0
    frames_per_step: int = 1


def shares_of(
    encoder: VisionTransformer,
    clips: Iterable[Clip],
    methods: Mapping[str, Method],
    *,
    layer: int,
    on_clip: Callable[[], None] = lambda: None,
) -> Shares:
    """Measure shares, clip by clip.

    Args:
        encoder: In eval mode.
        clips: At least one.
        methods: By name.
        layer: Index of the layer whose attention is read, 0-based; rollout is of the whole model.
        on_clip: Called after each clip.

    Raises:
        ValueError: There is no clip, or no such layer.
    """
    means: dict[tuple[str, str], MeanFrameShares] = {}

    def add(group: str, name: str, scores: Tensor) -> None:
        means.setdefault((group, name), MeanFrameShares()).update(scores)

    for clip in clips:
        subject = Subject(encoder, clip)
        whole = subject.scores(layer)
        add("scores", "attentiveness", whole.attentiveness)
        add("scores", "saliency", whole.saliency)
        add("scores", "rollout", rollout_scores(encoder, subject.inputs, num_frames=subject.num_frames))
        add("causes", "both", whole.attentiveness)
        for name, condition in ("position only", position_only), ("representation only", representation_only):
            with condition(encoder):
                add("causes", name, subject.scores(layer).attentiveness)
        for name, method in methods.items():
            add("kept", name, subject.scores(None, method).share)
        on_clip()
    if not means:
        raise ValueError("no clip could be read")
    steps = whole.attentiveness.shape[1]
    shares = Shares(num_clips=means["causes", "both"].num_clips, frames_per_step=subject.num_frames // steps)
    for (group, name), mean in means.items():
        getattr(shares, group)[name] = mean.compute()
    return shares
