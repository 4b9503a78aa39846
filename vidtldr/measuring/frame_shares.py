"""Which part of a clip counts most: the share of each frame in the sum of scores, and what brings it about.

The paper finds that attention favours early frames (Fig. 5) and asks whether positions or contents do it (Fig. A).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor


def step_name(frames_per_step: int) -> str:
    """What shares are counted by: frames, or tubelets whose frames share their tokens.

    >>> step_name(2)
    'tubelet of 2 frames'
    """
    return "frame" if frames_per_step == 1 else f"tubelet of {frames_per_step} frames"


def frame_shares(scores: Tensor) -> Tensor:
    """The share of each step of time in the sum of a clip's scores.

    Args:
        scores: ``[b, t, h, w]``, >= 0; patches that were dropped (NaN) count 0. Saliency, attentiveness, rollout, or
            the ``share`` of a trace, which gives what a method keeps of each frame. Not sharpness, which is negative.

    Returns:
        ``[b, t]``, float32, summing to 1. Where all scores of a clip are 0 no frame is preferred: 1 / t each.

    Raises:
        ValueError: A score is negative.
    """
    per_frame = scores.float().nan_to_num(nan=0.0).sum(dim=(2, 3))
    if bool((scores < 0).any()):
        raise ValueError("scores below 0 have no shares: scale them first")
    total = per_frame.sum(dim=1, keepdim=True)
    return torch.where(total > 0, per_frame / total.masked_fill(total == 0, 1), 1 / per_frame.shape[1])


class MeanFrameShares:
    """Mean of :func:`frame_shares` over many clips, each of which counts alike."""

    def __init__(self) -> None:
        self.num_clips = 0
        self._sum: Tensor | None = None

    def update(self, scores: Tensor) -> None:
        """Add clips, ``[b, t, h, w]``."""
        added = frame_shares(scores).double().sum(dim=0).cpu()
        self._sum = added if self._sum is None else self._sum + added
        self.num_clips += len(scores)

    def compute(self) -> list[float]:
        """The share of each step, summing to 1.

        Raises:
            ValueError: No clip was added.
        """
        if self._sum is None or not self.num_clips:
            raise ValueError("no clips, no shares")
        shares: list[float] = (self._sum / self.num_clips).tolist()
        return shares


@contextmanager
def position_only(encoder: VisionTransformer) -> Iterator[None]:
    """Let an encoder see where patches are, but not what they show: all get the mean embedding of the batch.

    The mean, not zero: an embedding of zeros is one that the model never met, and would make positions count too much.
    Give one clip at a time, so that the mean is that of the clip.
    """

    def forget(_: object, __: object, embedded: Tensor) -> Tensor:
        return embedded.mean(dim=(0, 1), keepdim=True).expand_as(embedded)

    handle = encoder.patch_embed.register_forward_hook(forget)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def representation_only(encoder: VisionTransformer) -> Iterator[None]:
    """Let an encoder see what patches show, but not where they are: its table of positions is all zeros.

    A model that encodes each frame alone has no position in time to begin with.

    Raises:
        ValueError: The encoder has no table of positions that is added to its patches.
    """
    table = getattr(encoder, "positions", None)  # of UMT and VideoMAE
    table = getattr(encoder, "pos_embed", None) if table is None else table  # timm's own
    if not isinstance(table, Tensor):
        raise ValueError(f"{type(encoder).__name__} adds no table of positions that could be left out")
    kept = table.detach().clone()
    with torch.no_grad():
        table.zero_()
    try:
        yield
    finally:
        with torch.no_grad():
            table.copy_(kept)
