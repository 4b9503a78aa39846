"""Re-ranking: the fusion encoder scores the best candidates of each query, in both directions."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vidtldr.models.umt import UMT
from vidtldr.tasks.token_store import TokenStore

UNSCORED = -100.0
"""Score of a pair that re-ranking leaves out, below any that it gives (as in the official evaluation)."""


@dataclass(frozen=True)
class Reranked:
    """Matching scores of both directions.

    Attributes:
        text_to_video: ``[q, g]``: each text's best ``k`` videos are scored, the rest is :data:`UNSCORED`.
        video_to_text: ``[g, q]``: each video's best ``k`` texts are scored.
    """

    text_to_video: Tensor
    video_to_text: Tensor


def candidates(similarity: Tensor, k: int) -> Tensor:
    """Mark each row's ``k`` largest entries, ``[rows, columns]`` bool; of equal ones the earlier column."""
    k = min(k, similarity.shape[1])
    best = similarity.argsort(dim=1, descending=True, stable=True)[:, :k]
    return torch.zeros_like(similarity, dtype=torch.bool).scatter_(1, best, True)


@torch.inference_mode()
def rerank(
    model: UMT,
    similarity: Tensor,
    videos: TokenStore,
    texts: TokenStore,
    text_mask: Tensor,
    *,
    video_rows: Tensor,
    text_rows: Tensor,
    k: int,
    texts_per_batch: int = 64,
    on_video: Callable[[], None] = lambda: None,
) -> Reranked:
    """Score candidates with the fusion encoder; a pair that both directions ask for is scored once.

    A video's keys and values are projected once for all its texts, and texts are cut to the longest of a batch.

    Args:
        model: Gives the scores: the second logit of its matching head.
        similarity: Contrastive similarity, ``[q, g]``, float32, that candidates are chosen by.
        videos: Tokens of each video.
        texts: Hidden states of each text.
        text_mask: Nonzero for real tokens, ``[q, l]``.
        video_rows: Row of ``videos`` for each column of ``similarity``, ``[g]``.
        text_rows: Row of ``texts`` for each row of ``similarity``, ``[q]``.
        k: Candidates of a query (128 in every released setting).
        texts_per_batch: Texts fused with a video at a time.
        on_video: Called after each video.
    """
    device = model.vision_proj.weight.device
    wanted_by_text = candidates(similarity, k)
    wanted_by_video = candidates(similarity.t(), k).t()
    lengths = text_mask.sum(dim=1)
    scores = torch.full(similarity.shape, UNSCORED)
    for column, row in enumerate(video_rows.tolist()):
        chosen = (wanted_by_text[:, column] | wanted_by_video[:, column]).nonzero().squeeze(1)
        if len(chosen):  # with few candidates per text some videos are nobody's
            chosen = chosen[lengths[chosen].argsort(stable=True)]  # equal lengths together: little padding
            keys_values = model.text_encoder.project_keys_values(videos.read(row).unsqueeze(0).to(device))
            for part in chosen.split(texts_per_batch):
                longest = int(lengths[part].max())
                hidden, mask = texts.read(text_rows[part])[:, :longest].to(device), text_mask[part, :longest].to(device)
                logits = model.match_logits(hidden, mask, keys_values=keys_values)
                scores[part, column] = logits[:, 1].cpu()
        on_video()
    return Reranked(
        text_to_video=scores.masked_fill(~wanted_by_text, UNSCORED),
        video_to_text=scores.masked_fill(~wanted_by_video, UNSCORED).t(),
    )
