"""Run-length tokens: what stands still is read once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from vidtldr.merging.clip_input import Clips
from vidtldr.merging.dropping import drop_lowest
from vidtldr.merging.method import LayerView, Method, Reduction
from vidtldr.merging.registry import register
from vidtldr.merging.schedule import Rate


@register
@dataclass(frozen=True)
class RunLength(Method):
    """Run-length tokens (arXiv:2411.05222): drop, before the first layer, tubelets that repeat the one before.

    The tokens that stay keep their positions and have mass 1. The first tubelets of a clip always stay.

    Attributes:
        keep: Share of the tokens that stays, those that differ most from the one before: as many in each clip, so
            that clips run in batches.
        tau: In place of ``keep``: the mean absolute difference of normalised pixels up to which a tubelet repeats the
            one before (0.1 in the paper). Another number stays in each clip, so one clip runs at a time, and an
            evaluation has to take ``keep``.
    """

    name: ClassVar[str] = "run_length"
    needs_clips: ClassVar[bool] = True
    reduces_input: ClassVar[bool] = True

    r: Rate | Sequence[Rate] = field(default=0, init=False)  # no layer gives up tokens
    keep: float | None = None
    tau: float | None = None

    def __post_init__(self) -> None:
        """Check that one of the two options is there."""
        super().__post_init__()
        if (self.keep is None) == (self.tau is None):
            raise ValueError("run_length takes either keep, such as keep=0.6, or tau, such as tau=0.1")
        if self.keep is not None and not 0 < self.keep <= 1:
            raise ValueError(f"keep={self.keep!r} is no share above 0, up to 1")
        if self.tau is not None and not 0 <= self.tau < math.inf:
            raise ValueError(f"tau={self.tau!r} is no difference of pixels: give a number from 0 on")

    @property
    def varies(self) -> bool:  # type: ignore[override]
        """With tau."""
        return self.tau is not None

    def gone_at_input(self, num_patches: int) -> int:
        """How many of the tokens go; raises ValueError with tau, where that depends on the clip."""
        if self.keep is None:
            raise ValueError("with tau, how many tokens run_length leaves depends on the clip: give keep")
        return num_patches - math.ceil(round(self.keep * num_patches, 6))  # 0.55 * 100 is a little above 55

    def reduce_input(self, view: LayerView) -> Reduction | None:
        """Drop what repeats the tubelet before."""
        assert view.clips is not None  # asked for by needs_clips
        difference = dissimilarity(view.clips)
        batch, steps, per_step = difference.shape
        num_patches = int(view.tokens.shape[1]) - view.num_prefix  # in a trace no int
        if steps * per_step != num_patches:
            raise ValueError(f"run_length found {steps * per_step} tubelets in a clip of {num_patches} tokens")
        if self.tau is not None:
            r = _same_count((difference[:, 1:] <= self.tau).flatten(1).sum(dim=1))
        else:
            r = self.gone_at_input(num_patches)
            if r > num_patches - per_step:
                raise ValueError(f"keep={self.keep} is less than the first tubelets, which stay: 1/{steps} of the clip")
        first = difference.amax(dim=(1, 2)).view(batch, 1, 1) + 1  # above all others
        score = torch.cat([first.expand(-1, 1, per_step), difference[:, 1:]], dim=1).flatten(1)
        plan = drop_lowest(F.pad(score, (view.num_prefix, 0)), r, num_prefix=view.num_prefix)
        return None if plan is None else Reduction(plan.take(view.tokens), None, plan)


def dissimilarity(clips: Clips) -> Tensor:
    """How much each tubelet differs from the one before at its place.

    It is the mean absolute difference of the tubelet's last frame to the first frame of the one before, so that slow
    motion counts as well.

    Args:
        clips: Pixels ``[b, c, t, h, w]`` and tubelets of ``(frames, height, width)``.

    Returns:
        ``[b, steps, tubelets of a step]``, float32, in the order of the tokens (row, column); 0 in the first step.
    """
    frames, height, width = clips.patch
    pixels = clips.pixels.detach().float()
    first, last = pixels[:, :, ::frames], pixels[:, :, frames - 1 :: frames]
    moved = (last[:, :, 1:] - first[:, :, :-1]).abs()
    # [b, c, steps - 1, h, w] -> [b, c, steps - 1, rows, height, columns, width]
    cells = moved.unflatten(4, (-1, width)).unflatten(3, (-1, height))
    return F.pad(cells.mean(dim=(1, 4, 6)).flatten(2), (0, 0, 1, 0))


def _same_count(counts: Tensor) -> int:
    lowest, highest = counts.aminmax()
    if lowest != highest:
        raise ValueError(
            f"run_length with tau leaves out {int(lowest)} to {int(highest)} tokens of the clips of a batch, which "
            "cannot run together: run them one by one, or give keep"
        )
    return int(lowest)
