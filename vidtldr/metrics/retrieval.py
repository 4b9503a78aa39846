"""Recall at K of text-video retrieval.

Shapes: q queries, g gallery items.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

Targets = Sequence[Sequence[int]] | Tensor


def retrieval_ranks(scores: Tensor, targets: Targets) -> Tensor:
    """Count the gallery items that stand before the best correct one.

    The order is a stable descending sort: among equal scores the lower gallery index comes first, whatever is correct.
    So a model that scores everything alike gets the place of the correct item in the gallery, not 0.

    Args:
        scores: Higher is better, ``[q, g]``, any floating dtype; compared in that dtype.
        targets: For each query the gallery indices of its correct items, or a bool mask ``[q, g]``.

    Returns:
        Ranks from 0, ``[q]`` int64, on the device of ``scores``.

    Raises:
        ValueError: Scores that are NaN, empty or of another shape, or a query whose targets are missing or not in
            ``0..g-1``.

    Example:
        >>> retrieval_ranks(torch.tensor([[0.1, 0.9, 0.9]]), [[2]])
        tensor([1])
    """
    _check_scores(scores)
    return _ranks(scores, _target_mask(targets, scores))


class RetrievalRecall(Metric):
    """Share of queries with a correct item among the first K, in one direction of retrieval.

    Queries can be given in any portions, but each against the whole gallery. Use one object for text-to-video (queries
    are texts) and another for video-to-text.

    Args:
        top_k: The values of K.
        kwargs: Options of ``torchmetrics.Metric``.

    Raises:
        ValueError: ``top_k`` is empty or holds a number below 1.

    Example:
        >>> recall = RetrievalRecall()
        >>> recall.update(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), [[0], [1]])
        >>> recall.compute()["r1"].item()
        50.0
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    hits: Tensor
    queries: Tensor

    def __init__(self, top_k: Sequence[int] = (1, 5, 10), **kwargs: object) -> None:
        super().__init__(**kwargs)
        if not top_k or min(top_k) < 1:
            raise ValueError(f"top_k={tuple(top_k)} is not a list of numbers from 1 on")
        self.top_k = tuple(top_k)
        self._add_counter("hits", len(self.top_k))
        self._add_counter("queries")

    def update(self, scores: Tensor, targets: Targets) -> None:
        """Count the queries of one portion.

        Args:
            scores: Higher is better, ``[q, g]``.
            targets: For each query the gallery indices of its correct items, or a bool mask ``[q, g]``.

        Raises:
            ValueError: As :func:`retrieval_ranks`.
        """
        ranks = retrieval_ranks(scores, targets).to(self.hits.device)
        self.hits += torch.stack([(ranks < k).sum() for k in self.top_k])
        self.queries += len(ranks)

    def compute(self) -> dict[str, Tensor]:
        """Turn the counters into scores.

        Returns:
            ``r1``, ``r5``, ``r10`` (for the given ``top_k``) and their ``mean``, in percent, float64, not rounded.

        Raises:
            ValueError: No query was counted.
        """
        if self.queries == 0:
            raise ValueError("recall of no queries is undefined: update() has seen none")
        percent = 100.0 * self.hits.double() / self.queries
        scores = {f"r{k}": value for k, value in zip(self.top_k, percent, strict=True)}
        scores["mean"] = percent.mean()
        return scores

    def _add_counter(self, name: str, *size: int) -> None:
        self.add_state(name, torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")


def _check_scores(scores: Tensor) -> None:
    if scores.ndim != 2 or scores.shape[1] == 0 or not scores.is_floating_point():
        raise ValueError(
            f"scores must be a floating [queries, gallery] matrix, not {scores.dtype} {list(scores.shape)}"
        )
    rows_with_nan = scores.isnan().any(dim=1).nonzero().flatten().tolist()
    if rows_with_nan:
        raise ValueError(
            f"{len(rows_with_nan)} of {len(scores)} queries have NaN scores, the first is {rows_with_nan[0]}"
        )


def _target_mask(targets: Targets, scores: Tensor) -> Tensor:
    """Mark the correct items, ``[q, g]`` bool; every query has one or more."""
    if isinstance(targets, Tensor):
        if targets.dtype != torch.bool or targets.shape != scores.shape:
            raise ValueError(
                f"a target tensor must be bool {list(scores.shape)}, not {targets.dtype} {list(targets.shape)}"
            )
        mask = targets.to(scores.device)
    else:
        mask = _mask_from_lists(targets, scores)
    without = (~mask.any(dim=1)).nonzero().flatten().tolist()
    if without:
        raise ValueError(f"{len(without)} of {len(mask)} queries have no correct item, the first is {without[0]}")
    return mask


def _mask_from_lists(targets: Sequence[Sequence[int]], scores: Tensor) -> Tensor:
    num_queries, num_items = scores.shape
    if len(targets) != num_queries:
        raise ValueError(f"{len(targets)} lists of targets for {num_queries} queries")
    pairs = [(query, int(item)) for query, items in enumerate(targets) for item in items]
    for query, item in pairs:
        if not 0 <= item < num_items:
            raise ValueError(f"target {item} of query {query} is not in 0..{num_items - 1}")
    mask = torch.zeros(num_queries, num_items, dtype=torch.bool)
    mask[tuple(torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T)] = True
    return mask.to(scores.device)


def rows_at_a_time(num_columns: int) -> int:
    """Rows of a matrix that are worked on at once: what is made of them on the way stays below some 100 MiB."""
    return max(1, 2**22 // num_columns)


def _ranks(scores: Tensor, correct: Tensor) -> Tensor:
    """Rank the best correct item without sorting, ``[q]``."""
    rows = rows_at_a_time(scores.shape[1])
    parts = [_ranks_of(*part) for part in zip(scores.split(rows), correct.split(rows), strict=True)]
    return torch.cat(parts)


def _ranks_of(scores: Tensor, correct: Tensor) -> Tensor:
    num_items = scores.shape[1]
    best_score = scores.masked_fill(~correct, -torch.inf).amax(dim=1, keepdim=True)
    equal = scores == best_score
    position = torch.arange(num_items, dtype=torch.int32, device=scores.device).expand_as(scores)
    best_position = position.masked_fill(~(equal & correct), num_items).amin(dim=1, keepdim=True)
    return ((scores > best_score) | (equal & (position < best_position))).sum(dim=1)
