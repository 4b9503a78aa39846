"""What came out as curves over an axis of its own, so that those of several methods lie over each other."""

from collections.abc import Iterator, Sequence

import numpy as np

from vidtldr.results.bootstrap import Contributions
from vidtldr.results.records import MethodResult
from vidtldr.results.samples import Sample

Curve = Sequence[tuple[int, float]]
"""Steps, ascending, and values."""

_PER_DECADE, _MOST_VIDEOS = 20, 500
_QUERIES = {"text": "t2v", "video": "v2t"}


def result_curves(
    result: MethodResult, samples: Sequence[Sample], contributions: Contributions, score: str
) -> dict[str, Curve]:
    """The curves of a method by their tag in TensorBoard.

    Args:
        result: Of the method.
        samples: What came out for each.
        contributions: To its compared score.
        score: The name of that score.
    """
    layers = {"tokens": result.tokens_per_layer, "gflops": result.gflops_per_layer}
    curves: dict[str, Curve] = {f"over_layers/{name}": _counted(values) for name, values in layers.items()}
    curves |= {f"found_among_first_K/{group}": curve for group, curve in found_among_first(samples).items()}
    curves[f"over_videos/{score}"] = running_score(contributions)
    return {tag: curve for tag, curve in curves.items() if curve}


def found_among_first(samples: Sequence[Sample]) -> dict[str, Curve]:
    """Share of the samples, in percent, whose right answer is among the first K, over K: recall@K, or top-K accuracy.

    K ends where all are found; large K are spaced evenly on a logarithmic axis.

    Args:
        samples: Those without a ``rank`` are passed over.

    Returns:
        A curve for each direction of retrieval, each half of the classes, or ``all``.
    """
    ranks: dict[str, list[int]] = {}
    for sample in samples:
        if "rank" in sample:
            group = str(_QUERIES.get(sample.get("query", ""), sample.get("half", "all")))
            ranks.setdefault(group, []).append(sample["rank"])
    return {group: list(_found(np.sort(each))) for group, each in ranks.items()}


def running_score(contributions: Contributions) -> Curve:
    """The score of the first n videos, over n: whether it has settled, and whether methods part early or late.

    Where base and novel classes are scored apart their videos come in turn. Numbers of videos for which a part of the
    score has no sample are left out.
    """
    scores = contributions.running()
    if not len(scores):  # of a task that leaves no samples
        return []
    steps = np.unique(np.linspace(1, len(scores), _MOST_VIDEOS).round().astype(int))
    return [(int(step), float(scores[step - 1])) for step in steps if np.isfinite(scores[step - 1])]


def _found(ranks: np.ndarray) -> Iterator[tuple[int, float]]:
    last = int(ranks[-1])
    spaced = {round(10 ** (number / _PER_DECADE)) for number in range(_PER_DECADE * len(str(last)))}
    for k in sorted({*(k for k in spaced if k < last), last}):
        yield k, 100 * float(np.searchsorted(ranks, k, side="right")) / len(ranks)


def _counted(values: Sequence[float]) -> Curve:
    return list(enumerate(map(float, values), start=1))
