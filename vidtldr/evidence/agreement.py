"""How well scores of tokens agree with the truth about them; exact, with ties.

Notation: n tokens; whatever stands before n is done for each alone.
"""

import numpy as np


def equal_area_iou(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union of the truth and as many of the highest scores as the truth has tokens.

    Tokens that tie for the last places share them evenly. With a places of which h hit, it is h / (2 a - h).

    >>> equal_area_iou(np.array([0.9, 0.8, 0.1, 0.0]), np.array([True, False, True, False]))
    array(0.33333333)

    Args:
        scores: ``[..., n]``, any order of magnitude.
        truth: ``[n]`` bool, what is foreground.

    Returns:
        ``[...]`` float64 in 0..1; NaN if nothing or everything is foreground, for then no score can be wrong.
    """
    area = int(truth.sum())
    if not 0 < area < len(truth):
        return np.full(scores.shape[:-1], np.nan)
    last = np.partition(scores, -area, axis=-1)[..., -area, None]
    above, tied = scores > last, scores == last
    places = area - above.sum(axis=-1)
    hits = (above & truth).sum(axis=-1) + places * (tied & truth).sum(axis=-1) / tied.sum(axis=-1)
    return np.asarray(hits / (2 * area - hits))


def roc_auc(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Area under the ROC curve: how often a token of the foreground scores above one of the background.

    A tie counts half (midranks, Mann and Whitney 1947).

    >>> roc_auc(np.array([0.9, 0.8, 0.1, 0.0]), np.array([True, False, True, False]))
    array(0.75)

    Args:
        scores: ``[..., n]``, any order of magnitude.
        truth: ``[n]`` bool, what is foreground.

    Returns:
        ``[...]`` float64 in 0..1, 0.5 for scores that know nothing; NaN if nothing or everything is foreground.
    """
    if truth.all() or not truth.any():
        return np.full(scores.shape[:-1], np.nan)
    foreground, background = scores[..., truth], np.sort(scores[..., ~truth], axis=-1)
    areas = np.empty(scores.shape[:-1])
    for row in np.ndindex(areas.shape):
        below, up_to = (np.searchsorted(background[row], foreground[row], side=side) for side in ("left", "right"))
        areas[row] = (below + up_to).mean() / (2 * background.shape[-1])
    return areas
