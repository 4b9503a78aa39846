"""Re-ranking: the fusion encoder scores the best candidates of each query, in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidtldr.metrics.retrieval import rows_at_a_time
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

    @classmethod
    def of_videos(cls, scores: Sequence[Tensor]) -> "Reranked":
        """Put together what :meth:`Reranking.scores` gave, ``[2, q, b]`` of some videos each."""
        text_to_video, text_of_video = torch.cat(list(scores), dim=-1)
        return cls(text_to_video, text_of_video.t())


def candidates(similarity: Tensor, k: int) -> Tensor:
    """Mark each row's ``k`` largest entries, ``[rows, columns]`` bool; of equal ones the earlier column."""
    num_columns = similarity.shape[1]
    if k >= num_columns:
        return torch.ones_like(similarity, dtype=torch.bool)
    return torch.cat([_best_of(rows, k) for rows in similarity.split(rows_at_a_time(num_columns))])


def _best_of(similarity: Tensor, k: int) -> Tensor:
    """As :func:`candidates`, of fewer rows and for a ``k`` below the number of columns; nothing is sorted."""
    least = similarity.topk(k, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
    above, equal = similarity > least, similarity == least
    room = k - above.sum(dim=1, keepdim=True)
    return above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= room))


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
        self._mask = encoded.texts.kept("mask", part.queries)
        self._lengths = self._mask.sum(dim=1)
        self._texts_per_batch = texts_per_batch
        similarity = encoded.similarity(part)
        self._of_texts, self._of_videos = candidates(similarity, k), candidates(similarity.t(), k).t()

    @torch.inference_mode()
    def scores(self, column: int) -> Tensor:
        """Score a video against the texts that are its candidates, or that it is a candidate of.

        Args:
            column: Which of the videos.

        Returns:
            ``[2, q]`` float32 on the CPU: of the texts that it is a candidate of, and of those that are its
            candidates; :data:`UNSCORED` for all others.
        """
        wanted = torch.stack([self._of_texts[:, column], self._of_videos[:, column]])
        scores = torch.full((wanted.shape[1],), UNSCORED, dtype=torch.float32)  # whatever the model runs in
        chosen = wanted.any(dim=0).nonzero().squeeze(1)
        if not len(chosen):  # with few candidates per text some videos are nobody's
            return scores.expand(2, -1)
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
        return scores.expand(2, -1).masked_fill(~wanted, UNSCORED)
