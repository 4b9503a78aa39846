"""UMT's answer decoder: a causal BERT that reads the states of a question, and how it ranks given answers.

Shapes: q questions, l question positions, a answers, p answer positions, v word pieces, d channels, k candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidtldr.models.umt.text import BertConfig, BertTextEncoder, KeysValues
from vidtldr.models.umt.word_head import WordHead

_QUESTIONS_AT_ONCE = 8  # with 128 candidates each: some 0.4 GB of logits over BERT's vocabulary


@dataclass(frozen=True)
class RankedAnswers:
    """The best answers to each question, the best first.

    Attributes:
        index: Positions in the list of answers, ``[q, k]`` int64.
        log_score: Sum of log-probabilities that the order rests on, ``[q, k]`` float32.
    """

    index: Tensor
    log_score: Tensor


class AnswerDecoder(nn.Module):
    """Guess each word piece of an answer from those before it and from the question, which has seen the video.

    Answers are word pieces between ``[CLS]`` and ``[SEP]``, padded to a common length.

    Args:
        config: Sizes; every layer attends to the question, so ``fusion_layer`` is 0.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = BertTextEncoder(config)
        self.head = WordHead(config.hidden_size, config.vocab_size)

    def answer_losses(self, states: Tensor, mask: Tensor, answer_ids: Tensor, answer_mask: Tensor) -> Tensor:
        """Negative log-likelihood of each answer: the sum over its word pieces, not divided by their number.

        Args:
            states: Question states, ``[q, l, d]``.
            mask: Nonzero for real question tokens, ``[q, l]``.
            answer_ids: Word pieces, ``[a, p]``, where a is a multiple of q: equal groups belong to one question each.
            answer_mask: Nonzero for real word pieces, ``[a, p]``.

        Returns:
            ``[a]`` float32.
        """
        return self._losses(self.bert.project_keys_values(states), mask, answer_ids, answer_mask)

    def rank(self, states: Tensor, mask: Tensor, answer_ids: Tensor, answer_mask: Tensor, k: int) -> RankedAnswers:
        """Rank given answers as UMT does: the likeliest first word pieces, then whole answers.

        The probability of an answer's first word piece, over the whole vocabulary, chooses ``k`` candidates; their
        score is its logarithm plus the log-likelihood of the answer, which holds the first word piece a second time.
        Equally likely candidates stand in the order of the list, so no answer depends on the other questions.

        Args:
            states: Question states, ``[q, l, d]``.
            mask: Nonzero for real question tokens, ``[q, l]``.
            answer_ids: Word pieces of the list of answers, ``[a, p]``, the first of each ``[CLS]``.
            answer_mask: Nonzero for real word pieces, ``[a, p]``.
            k: Candidates; all answers if there are no more.
        """
        parts = [
            self._rank(part, part_mask, answer_ids, answer_mask, min(k, len(answer_ids)))
            for part, part_mask in zip(states.split(_QUESTIONS_AT_ONCE), mask.split(_QUESTIONS_AT_ONCE), strict=True)
        ]
        index, log_score = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return RankedAnswers(index, log_score)

    def _rank(
        self, states: Tensor, mask: Tensor, answer_ids: Tensor, answer_mask: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        keys_values = self.bert.project_keys_values(states)
        start = answer_ids[:1, :1].expand(len(states), 1)
        logits = self._logits(self._hidden(keys_values, mask, start)[:, 0])
        first = logits.log_softmax(dim=1)[:, answer_ids[:, 1]]  # [q, a]
        first, candidates = (side[:, :k] for side in first.sort(dim=1, descending=True, stable=True))
        losses = self._losses(
            keys_values, mask, *(side[candidates].flatten(0, 1) for side in (answer_ids, answer_mask))
        )
        log_score, order = (first - losses.view_as(first)).sort(dim=1, descending=True, stable=True)
        return candidates.gather(1, order), log_score

    def _losses(
        self, keys_values: Sequence[KeysValues], mask: Tensor, answer_ids: Tensor, answer_mask: Tensor
    ) -> Tensor:
        hidden = self._hidden(keys_values, mask, answer_ids[:, :-1])
        real = answer_mask[:, 1:].bool()
        # The head runs only where a real word piece is guessed: it is the widest layer by far.
        losses = F.cross_entropy(self._logits(hidden[real]), answer_ids[:, 1:][real], reduction="none")
        return losses.new_zeros(real.shape).masked_scatter(real, losses).sum(dim=1)

    def _hidden(self, keys_values: Sequence[KeysValues], mask: Tensor, answer_ids: Tensor) -> Tensor:
        length = answer_ids.shape[1]
        # Padding stands at the end, where the causal mask already hides it from all real word pieces.
        causal = torch.ones(1, length, length, dtype=torch.bool, device=answer_ids.device).tril()
        embedded = self.bert.encode_text(answer_ids)
        return self.bert.fuse(embedded, causal, keys_values=keys_values, video_mask=mask)

    def _logits(self, hidden: Tensor) -> Tensor:
        return self.head(hidden, self.bert.embeddings.word_embeddings.weight).float()
