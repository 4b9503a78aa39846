"""Accuracy of videos that are seen in several views.

Shapes: v videos, k classes, b clips.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from vidtldr.metrics.retrieval import retrieval_ranks

# Probabilities are summed as integers of this unit: such sums are the same in any order, so the score of a video does
# not depend on how its views are spread over batches and processes. 2^-40 is far below the precision of a float32.
_UNIT = 2.0**-40
_MAX_VIEWS = 62  # which views were seen is kept as bits of an int64


class MultiViewAccuracy(Metric):
    """Share of videos whose class is among the K best by the mean probability over their views.

    The softmax is taken of each view and the mean of probabilities, not of logits (VideoMAE,
    ``engine_for_finetuning.py``). A view that comes twice counts once. Videos of which no view came, because they are
    broken, are left out. Equal scores rank in the order of the classes.

    Args:
        num_videos: Videos of the data set.
        num_classes: Classes.
        num_views: Views of each video, at most 62.
        top_k: The values of K.
        kwargs: Options of ``torchmetrics.Metric``.

    Raises:
        ValueError: An argument is below 1, or there are too many views.

    Example:
        >>> accuracy = MultiViewAccuracy(num_videos=1, num_classes=3, num_views=2, top_k=(1,))
        >>> logits = torch.tensor([[9.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        >>> accuracy.update(logits, video=torch.tensor([0, 0]), view=torch.tensor([0, 1]), label=torch.tensor([0, 0]))
        >>> accuracy.compute()["top1"].item()
        100.0
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    probabilities: Tensor
    views: Tensor
    seen: Tensor
    labels: Tensor

    def __init__(
        self, num_videos: int, num_classes: int, num_views: int, top_k: Sequence[int] = (1, 5), **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        if min(num_videos, num_classes, num_views) < 1 or not top_k or min(top_k) < 1:
            raise ValueError(f"{num_videos} videos, {num_classes} classes, {num_views} views, top_k={tuple(top_k)}")
        if num_views > _MAX_VIEWS:
            raise ValueError(f"num_views={num_views} exceeds {_MAX_VIEWS}")
        self.num_classes, self.num_views, self.top_k = num_classes, num_views, tuple(top_k)
        counters = {"probabilities": (num_videos, num_classes), "views": (num_videos,), "seen": (num_videos,)}
        for name, shape in counters.items():
            self.add_state(name, torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("labels", torch.full((num_videos,), -1), dist_reduce_fx="max")

    def update(self, logits: Tensor, video: Tensor, view: Tensor, label: Tensor) -> None:
        """Take in some views.

        Args:
            logits: ``[b, k]``, any floating dtype.
            video: Which video each is a view of, ``[b]`` int64.
            view: Which view of it, ``[b]`` int64 in [0, num_views).
            label: Class of the video, ``[b]`` int64 in [0, k).

        Raises:
            ValueError: Logits are NaN or of another number of classes, or a view or label is out of range.
        """
        self._check(logits, view, label)
        fresh = self._mark_seen(video, view)
        units = (logits[fresh].double().softmax(dim=1) / _UNIT).round().long()
        self.probabilities.index_add_(0, video[fresh], units)
        self.views.index_add_(0, video[fresh], torch.ones_like(video[fresh]))
        self.labels[video] = label

    def scores(self) -> Tensor:
        """Mean probabilities over the views that came, ``[v, k]`` float64; NaN for videos of which none came."""
        return self.probabilities.double() * _UNIT / self.views.unsqueeze(1)

    def compute(self) -> dict[str, Tensor]:
        """``top1``, ``top5`` (for the given ``top_k``) in percent, float64, not rounded.

        Raises:
            ValueError: No view came, a view came on two processes, or a video lacks some of its views.
        """
        evaluated = self.views > 0
        views, seen = self.views[evaluated], _count_bits(self.seen[evaluated])
        if not len(views):
            raise ValueError("accuracy of no videos is undefined: update() has seen none")
        if not torch.equal(views, seen):
            raise ValueError(f"views of {int((views != seen).sum())} videos were evaluated on two processes")
        if incomplete := int((views < self.num_views).sum()):
            raise ValueError(f"{incomplete} videos lack some of their {self.num_views} views")
        ranks = self.ranks()
        return {f"top{k}": 100.0 * (ranks < k).double().mean() for k in self.top_k}

    def ranks(self) -> Tensor:
        """Classes that stand before the right one, for each video of which a view came, ``[videos]`` int64."""
        evaluated = self.views > 0
        sums = self.probabilities[evaluated].double()  # exact: they stay below 2^53
        targets = torch.nn.functional.one_hot(self.labels[evaluated], self.num_classes).bool()
        return retrieval_ranks(sums, targets)

    def _check(self, logits: Tensor, view: Tensor, label: Tensor) -> None:
        if logits.ndim != 2 or logits.shape[1] != self.num_classes:
            raise ValueError(f"logits of shape {list(logits.shape)} for {self.num_classes} classes")
        if logits.isnan().any():
            raise ValueError(f"{int(logits.isnan().any(dim=1).sum())} of {len(logits)} clips have NaN logits")
        for name, values, end in (("view", view, self.num_views), ("label", label, self.num_classes)):
            if len(values) and not (int(values.min()) >= 0 and int(values.max()) < end):
                raise ValueError(f"{name}s from {int(values.min())} to {int(values.max())} are not in 0..{end - 1}")

    def _mark_seen(self, video: Tensor, view: Tensor) -> Tensor:
        """Positions of the views that come for the first time, which are marked as seen."""
        seen = dict(zip(video.tolist(), self.seen[video].tolist(), strict=True))  # one transfer, whatever the device
        fresh = []
        for position, (number, which) in enumerate(zip(video.tolist(), view.tolist(), strict=True)):
            if not seen[number] >> which & 1:
                seen[number] |= 1 << which
                fresh.append(position)
        numbers, bits = (torch.tensor(list(side), dtype=torch.int64) for side in (seen.keys(), seen.values()))
        self.seen[numbers.to(video.device)] = bits.to(video.device)
        return torch.tensor(fresh, dtype=torch.int64, device=video.device)


def _count_bits(numbers: Tensor) -> Tensor:
    return sum((numbers >> bit & 1 for bit in range(_MAX_VIEWS + 1)), start=torch.zeros_like(numbers))
