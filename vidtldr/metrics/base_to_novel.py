"""Base-to-novel generalisation: accuracy on both halves of the classes and their harmonic mean."""

from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from vidtldr.metrics.retrieval import retrieval_ranks

Half = Literal["base", "novel"]
HALVES: tuple[Half, Half] = ("base", "novel")
"""The halves of the classes, in the order of the test loaders."""


class BaseToNovelAccuracy(Metric):
    """Top-1 on base and on novel classes, each the mean over seeds, and the harmonic mean of these two means.

    The harmonic mean is taken of the means and not averaged over seeds, as in the published tables (ViFi-CLIP,
    Table 4: 92.9 and 67.7 give 78.3).

    Args:
        num_seeds: Models that were trained on different few-shot lists.
        kwargs: Options of ``torchmetrics.Metric``.

    Example:
        >>> accuracy = BaseToNovelAccuracy()
        >>> accuracy.update(torch.tensor([[2.0, 1.0]]), torch.tensor([0]), half="base")
        >>> accuracy.update(torch.tensor([[2.0, 1.0], [2.0, 1.0]]), torch.tensor([0, 1]), half="novel")
        >>> {name: round(value.item(), 1) for name, value in accuracy.compute().items()}
        {'base': 100.0, 'novel': 50.0, 'hm': 66.7}
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    correct: Tensor
    videos: Tensor

    def __init__(self, num_seeds: int = 1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if num_seeds < 1:
            raise ValueError(f"num_seeds={num_seeds} is below 1")
        for name in ("correct", "videos"):
            zeros = torch.zeros((len(HALVES), num_seeds), dtype=torch.int64)
            self.add_state(name, zeros, dist_reduce_fx="sum")

    def update(self, logits: Tensor, label: Tensor, *, half: Half, seed: int = 0) -> None:
        """Count some videos of one half.

        Args:
            logits: Against the class names of that half alone, ``[b, k]``.
            label: Class within that half, ``[b]`` int64.
            half: ``base`` or ``novel``.
            seed: Which of the models, from 0.

        Raises:
            ValueError: Logits are NaN, or a label is not one of the classes.
        """
        row = HALVES.index(half)
        ranks = retrieval_ranks(logits, [[int(number)] for number in label])
        self.correct[row, seed] += (ranks == 0).sum()
        self.videos[row, seed] += len(label)

    def compute(self) -> dict[str, Tensor]:
        """``base``, ``novel`` and ``hm`` in percent, float64, over the seeds counted so far.

        Raises:
            ValueError: A half has no video, or a seed was counted on one half only.
        """
        counted = self.videos > 0
        if not counted.any(dim=1).all() or not torch.equal(counted[0], counted[1]):
            raise ValueError(f"base and novel need videos of the same seeds, not of {self.videos.tolist()}")
        seeds = counted[0]
        base, novel = (100.0 * self.correct[:, seeds].double() / self.videos[:, seeds]).mean(dim=1)
        hm = torch.zeros_like(base) if base + novel == 0 else 2 * base * novel / (base + novel)
        return {"base": base, "novel": novel, "hm": hm}
