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
    return _ranks_and_ties(scores, _target_mask(targets, scores))[0]


class RetrievalRecall(Metric):
    """Share of queries with a correct item among the first K, in one direction of retrieval.

    Queries can be given in any portions, but each against the whole gallery. Use one object for text-to-video (queries
    are texts) and another for video-to-text.

    Args:
        top_k: The values of K.
        gallery_size: Number of gallery items; if given, the median rank is computed too.
        kwargs: Options of ``torchmetrics.Metric``.

    Raises:
        ValueError: ``top_k`` is empty or holds a number below 1, or ``gallery_size`` is below 1.

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
    ties: Tensor
    rank_counts: Tensor

    def __init__(self, top_k: Sequence[int] = (1, 5, 10), gallery_size: int | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if not top_k or min(top_k) < 1:
            raise ValueError(f"top_k={tuple(top_k)} is not a list of numbers from 1 on")
        if gallery_size is not None and gallery_size < 1:
            raise ValueError(f"gallery_size={gallery_size} is below 1")
        self.top_k = tuple(top_k)
        self.gallery_size = gallery_size
        self._add_counter("hits", len(self.top_k))
        self._add_counter("queries")
        self._add_counter("ties")
        if gallery_size is not None:
            self._add_counter("rank_counts", gallery_size)

    def update(self, scores: Tensor, targets: Targets) -> None:
        """Count the queries of one portion.

        Args:
            scores: Higher is better, ``[q, g]``.
            targets: For each query the gallery indices of its correct items, or a bool mask ``[q, g]``.

        Raises:
            ValueError: As :func:`retrieval_ranks`, or the gallery is not of ``gallery_size``.
        """
        _check_scores(scores)
        if self.gallery_size is not None and scores.shape[1] != self.gallery_size:
            raise ValueError(f"scores for {scores.shape[1]} gallery items, expected gallery_size={self.gallery_size}")
        ranks, ties = _ranks_and_ties(scores, _target_mask(targets, scores))
        ranks, ties = ranks.to(self.hits.device), ties.to(self.hits.device)
        self.hits += torch.stack([(ranks < k).sum() for k in self.top_k])
        self.queries += len(ranks)
        self.ties += ties.sum()
        if self.gallery_size is not None:
            self.rank_counts += torch.bincount(ranks, minlength=self.gallery_size)

    def compute(self) -> dict[str, Tensor]:
        """Turn the counters into scores.

        Returns:
            ``r1``, ``r5``, ``r10`` (for the given ``top_k``) and their ``mean``, in percent, float64, not rounded; with
            ``gallery_size`` also ``median_rank``, from 1, the middle between two ranks if their number is even.

        Raises:
            ValueError: No query was counted.
        """
        if self.queries == 0:
            raise ValueError("recall of no queries is undefined: update() has seen none")
        percent = 100.0 * self.hits.double() / self.queries
        scores = {f"r{k}": value for k, value in zip(self.top_k, percent, strict=True)}
        scores["mean"] = percent.mean()
        if self.gallery_size is not None:
            scores["median_rank"] = _median_rank(self.rank_counts)
        return scores

    def counts(self) -> dict[str, int]:
        """Count over all processes; like :meth:`compute`, every process has to call it.

        Returns:
            ``queries``, and of these ``ties``: those where a wrong item has exactly the score of the best correct one,
            so that the rank rests on the gallery order alone.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return {"queries": int(self.queries), "ties": int(self.ties)}

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


def _ranks_and_ties(scores: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
    """Rank the best correct item without sorting, and tell whether a wrong item has its score; both ``[q]``."""
    num_items = scores.shape[1]
    best_score = scores.masked_fill(~correct, -torch.inf).amax(dim=1, keepdim=True)
    equal = scores == best_score
    position = torch.arange(num_items, dtype=torch.int32, device=scores.device).expand_as(scores)
    best_position = position.masked_fill(~(equal & correct), num_items).amin(dim=1, keepdim=True)
    ranks = ((scores > best_score) | (equal & (position < best_position))).sum(dim=1)
    return ranks, (equal & ~correct).any(dim=1)


def _median_rank(rank_counts: Tensor) -> Tensor:
    """Median of the counted ranks, from 1; ``rank_counts[i]`` queries have rank ``i`` (from 0)."""
    up_to = rank_counts.cumsum(dim=0)
    num_queries = up_to[-1]
    middle = torch.stack([(num_queries + 1) // 2, num_queries // 2 + 1])  # the same query if the number is odd
    return torch.searchsorted(up_to, middle).double().mean() + 1
