"""Re-ranking: the fusion encoder scores the best candidates of each query, in both directions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vidtldr.models.umt import UMT
from vidtldr.tasks.retrieval.encoded import Answerable, EncodedSet

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


class Reranking:
    """The work of re-ranking, video by video; a pair that both directions ask for is scored once.

    A video's keys and values are projected once for all its texts, and texts are cut to the longest of a batch.

    Args:
        model: Gives the scores: the second logit of its matching head.
        encoded: Tokens of the videos, hidden states and padding masks of the texts; candidates are chosen by their
            similarity.
        part: Which of them are scored.
        k: Candidates of a query (128 in every released setting).
        texts_per_batch: Texts fused with a video at a time.
    """

    def __init__(
        self,
        model: UMT,
        encoded: EncodedSet,
        part: Answerable,
        *,
        k: int,
        texts_per_batch: int = 64,
    ) -> None:
        self._model, self._videos, self._texts = model, encoded.videos, encoded.texts
        self._video_rows, self._text_rows = part.videos.tolist(), part.queries.tolist()
        self._mask = encoded.text_mask(part.queries)
        self._lengths = self._mask.sum(dim=1)
        self._texts_per_batch = texts_per_batch
        similarity = encoded.similarity(part)
        self._wanted = candidates(similarity, k) | candidates(similarity.t(), k).t()

    @torch.inference_mode()
    def scores(self, column: int) -> Tensor:
        """Score a video against the texts that are its candidates, or that it is a candidate of.

        Args:
            column: Which of the videos.

        Returns:
            ``[q]`` float32 on the CPU, :data:`UNSCORED` for all other texts.
        """
        scores = torch.full((len(self._wanted),), UNSCORED, dtype=torch.float32)  # whatever the model runs in
        chosen = self._wanted[:, column].nonzero().squeeze(1)
        if not len(chosen):  # with few candidates per text some videos are nobody's
            return scores
        device = self._model.vision_proj.weight.device
        chosen = chosen[self._lengths[chosen].argsort(stable=True)]  # equal lengths together: little padding
        tokens = self._videos.tokens(self._video_rows[column]).unsqueeze(0).to(device)
        keys_values = self._model.text_encoder.project_keys_values(tokens)
        for part in chosen.split(self._texts_per_batch):
            longest = int(self._lengths[part].max())
            hidden = torch.stack([self._texts.tokens(self._text_rows[query])[:longest] for query in part.tolist()])
            mask = self._mask[part, :longest].to(device)
            logits = self._model.match_logits(hidden.to(device), mask, keys_values=keys_values)
            scores[part] = logits[:, 1].float().cpu()
        return scores


def reranked_scores(pairs: Tensor, similarity: Tensor, k: int) -> Reranked:
    """What each direction sees of the pairs that were scored.

    Args:
        pairs: Matching scores ``[q, g]`` of all candidates of either direction.
        similarity: Contrastive similarity ``[q, g]`` that they were chosen by.
        k: Candidates of a query.
    """
    return Reranked(
        text_to_video=pairs.masked_fill(~candidates(similarity, k), UNSCORED),
        video_to_text=pairs.t().masked_fill(~candidates(similarity.t(), k), UNSCORED),
    )
