"""Video-text retrieval: encode, score in both directions, re-rank; and the fine-tuning that goes with it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from datamodules.contract import RetrievalData
from datamodules.loading.batches import ClipBatch, TextBatch
from vidtldr.errors import UserError
from vidtldr.metrics.retrieval import RetrievalRecall, retrieval_ranks
from vidtldr.models.checkpoint import Choice, Source, find_checkpoint
from vidtldr.models.umt import UMT, WordHead, load_umt
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.tasks.base import Outcome
from vidtldr.tasks.passes import LaterPass, Outputs, Pass, Scores
from vidtldr.tasks.retrieval.encoded import Answerable, EncodedSet
from vidtldr.tasks.retrieval.losses import contrastive_loss, matching_loss, wrong_logits
from vidtldr.tasks.retrieval.masked_words import masked_word_loss
from vidtldr.tasks.retrieval.rerank import Reranked, Reranking
from vidtldr.tasks.retrieval.swapped_words import WrongTexts, swap_words, word_numbers
from vidtldr.tasks.umt import UMTTask, umt_sizes, umt_tokenizer

_DIRECTIONS = ("t2v", "v2t")
_TOP_K = (1, 5, 10)
_RERANKED = "reranked"  # the pass of re-ranking
_VIDEOS_PER_BATCH = 8  # of re-ranking: little to lose when a run is killed, and not too many files


def _recall_table(title: str, group: str, prefix: str = "") -> ScoreTable:
    columns = {f"{prefix}{d}_r{k}": f"{d} R@{k}" for d in _DIRECTIONS for k in _TOP_K}
    compared = f"{prefix}r_mean"
    return ScoreTable(columns | {compared: "mean"}, compared, group, title, prefix)


class VideoTextRetrieval(UMTTask[RetrievalData, ClipBatch | TextBatch]):
    """UMT on video-text retrieval.

    Args:
        checkpoint: Weights: a published UMT file, or one exported by this project. None starts from random weights.
        weights: ``ema`` takes the averaged weights of a checkpoint that holds them beside the plain ones.
        checkpoint_frames: Frames of a clip in the checkpoint's training, where it does not tell itself; the position
            table is stretched if they are not ``num_frames``.
        checkpoint_image_size: Height and width of a frame in its training, likewise.
        max_text_length: Longest text in tokens; the rest is cut off.
        k_test: Candidates of each query that the fusion encoder re-ranks.
        guess_words: Also guess masked words of a caption from its video, as UMT's pre-training does.
        hard_negatives: Match against negatives that the contrastive head finds likely, as UMT's fine-tuning does; a
            fusion encoder that starts from random weights needs easy ones first.
        swapped_words: Words, such as colours, two of which exchanged make a caption wrong: training also tells such
            captions from the true ones, as NegCLIP does.
    """

    score_tables = (
        _recall_table("re-ranked", "reranked"),
        _recall_table("contrastive only, without re-ranking", "dual", prefix="dual_"),
    )
    score_note = "recall in percent; mean = mean of the six recalls; GFLOPs = vision encoder, one clip"
    passes = (Pass("videos", "encode videos"), Pass("texts", "encode texts"))
    model: UMT
    monitor = "val_r_mean"

    def __init__(
        self,
        backbone: str = "umt_b",
        size: dict[str, Any] | None = None,
        num_frames: int = 12,
        image_size: int = 224,
        checkpoint: str | None = None,
        weights: Choice = "plain",
        checkpoint_frames: int | None = None,
        checkpoint_image_size: int | None = None,
        tokenizer: str = "bert-base-uncased",
        max_text_length: int = 32,
        k_test: int = 128,
        learning_rate: float = 1e-5,
        weight_decay: float = 0.02,
        warmup_steps: int = 500,
        guess_words: bool = False,
        hard_negatives: bool = True,
        swapped_words: list[str] | None = None,
        drop_path: float = 0.1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, warmup_steps=warmup_steps)
        self.num_frames, self.image_size = num_frames, image_size
        sizes = umt_sizes(backbone, size, max_text_length=max_text_length)
        self.model = UMT(sizes, num_frames=num_frames, image_size=image_size, drop_path=drop_path, dropout=dropout)
        self.word_head = WordHead(sizes.text_width, sizes.vocab_size) if guess_words else None
        found = (
            None
            if checkpoint is None
            else find_checkpoint(checkpoint, weights, num_frames=checkpoint_frames, image_size=checkpoint_image_size)
        )
        self._start_from(found)
        self.tokenizer = umt_tokenizer(tokenizer, sizes, max_text_length)
        self._swappable = word_numbers(self.tokenizer, swapped_words) if swapped_words else None
        self.k_test, self.hard_negatives = k_test, hard_negatives

    def load_weights(self, path: Source) -> list[str]:
        """Load a checkpoint."""
        return load_umt(self.model, path)

    # Evaluation. Loader 0 brings videos, loader 1 texts; what both leave is re-ranked.

    def test_step(self, batch: ClipBatch | TextBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """Encode a batch of videos or texts."""
        if not len(batch.index):  # every video of the batch was broken
            return None
        if isinstance(batch, TextBatch):
            input_ids, mask = self.tokenize(batch.texts)
            hidden, features = self.model.encode_text(input_ids, mask)
            return {"tokens": hidden, "features": features, "mask": mask}
        tokens, features = self.model.encode_video(self.model.normalize(batch.clips))
        return {"tokens": tokens, "features": features}

    def output(
        self, batch: ClipBatch | TextBatch, outcome: Outcome, dataloader_idx: int
    ) -> tuple[Mapping[str, Tensor], Mapping[str, object]]:
        """What was encoded, and which videos belong to a text."""
        return outcome or {}, {"videos": batch.videos} if isinstance(batch, TextBatch) else {}

    def later_pass(self, outputs: Outputs) -> LaterPass:
        """Re-ranking, video by video."""
        encoded, part = self._encoded(outputs)
        reranking = Reranking(self.model, encoded, part, k=self.k_test)
        return LaterPass(_RERANKED, "re-rank", len(part.videos), _VIDEOS_PER_BATCH, reranking.scores)

    def score(self, outputs: Outputs) -> Scores:
        """Recall in both directions: re-ranked as ``t2v_r1``, contrastive only as ``dual_t2v_r1``, and their means."""
        encoded, part = self._encoded(outputs)
        similarity = encoded.similarity(part)
        reranked = Reranked.of_videos([output[_RERANKED] for output in outputs[_RERANKED]])
        metrics, ranks = _recalls("", reranked.text_to_video, reranked.video_to_text, part.correct)
        dual_metrics, dual_ranks = _recalls("dual_", similarity, similarity.t(), part.correct)
        return Scores(metrics | dual_metrics, partial(self._samples, part, reranked, ranks, dual_ranks))

    def _encoded(self, outputs: Outputs) -> tuple[EncodedSet, Answerable]:
        records = self.data.records
        encoded = EncodedSet(outputs["videos"], outputs["texts"], len(records.videos), len(records.texts))
        part = encoded.answerable()
        if not len(part.queries):
            raise UserError("nothing is left to evaluate: no readable video has a caption")
        return encoded, part

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to the mean of the six recalls; its captions count with it."""

        def hits(sample: Sample) -> dict[int, float]:
            first = len(_TOP_K) * (sample["query"] == "video")
            return {first + part: sample["rank"] <= k for part, k in enumerate(_TOP_K)}

        return contributions_of(samples, hits, parts=len(_TOP_K) * len(_DIRECTIONS))

    def _samples(
        self, part: Answerable, scores: Reranked, ranks: list[Tensor], dual_ranks: list[Tensor]
    ) -> list[Sample]:
        """One row for each query: its rank by either score, from 1, and what stands first."""
        videos, captions = self.data.records.videos, self.data.records.texts
        names: dict[str, list[Any]] = {
            "video": [videos[row] for row in part.videos.tolist()],
            "text": part.queries.tolist(),  # by position
        }
        rows: list[Sample] = []
        for query, found, targets, rank, dual_rank in zip(
            ("text", "video"), (scores.text_to_video, scores.video_to_text), (part.correct, part.correct.t()), ranks,
            dual_ranks,
        ):  # fmt: skip
            own, other = names[query], names["video" if query == "text" else "text"]
            best = found.max(dim=1)
            queries = targets.any(dim=1).nonzero().squeeze(1).tolist()
            for row, position, dual_position in zip(queries, rank.tolist(), dual_rank.tolist(), strict=True):
                video = own[row] if query == "video" else names["video"][int(targets[row].nonzero()[0])]
                rows.append(
                    {
                        "query": query,
                        "id": own[row],
                        "video": video,
                        **({"caption": captions[own[row]]} if query == "text" else {}),
                        "rank": position + 1,
                        "contrastive_rank": dual_position + 1,
                        "prediction": other[int(best.indices[row])],
                        "score": float(best.values[row]),
                    }
                )
        return rows

    # Fine-tuning.

    def on_fit_start(self) -> None:
        """Check that a batch can hold a pair that is wrong."""
        if self.data.batch_size < 2:
            raise UserError("retrieval learns from wrong pairs, too: set --data.batch_size to at least 2 for training")

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Contrastive, matching and (if asked for) word-guessing loss."""
        if len(batch.index.unique()) < 2:  # the others were broken, and no pair is a wrong one
            return {}
        input_ids, mask = self.tokenize(batch.texts or [], pad_to_longest=True)
        tokens, video = self.model.encode_video(self.model.normalize(batch.clips))
        hidden, text = self.model.encode_text(input_ids, mask)
        with torch.no_grad():
            self.model.temp.clamp_(0.001, 0.5)
        similarity = video @ text.t() / self.model.temp
        wrong = self._wrong_texts(input_ids, mask)
        pairs = similarity, batch.index
        losses = {
            "contrastive": contrastive_loss(*pairs, wrong and wrong_logits(video, wrong, self.model.temp)),
            "matching": matching_loss(
                self.model, tokens, hidden, mask, *pairs, hard_negatives=self.hard_negatives, wrong=wrong
            ),
        }
        if self.word_head is not None:
            mask_id = self.tokenizer.mask_id
            losses["words"] = masked_word_loss(self.model, self.word_head, tokens, input_ids, mask, mask_id)
        return losses

    def _wrong_texts(self, input_ids: Tensor, mask: Tensor) -> WrongTexts | None:
        if self._swappable is None:
            return None
        wrong_ids, rows = swap_words(input_ids, self._swappable)
        return WrongTexts(rows, *self.model.encode_text(wrong_ids, mask[rows])) if len(rows) else None


def _recalls(prefix: str, t2v: Tensor, v2t: Tensor, correct: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Recalls of both directions, and the ranks of all queries that have an answer."""
    metrics: dict[str, Tensor] = {}
    means, ranks = [], []
    for direction, scores, targets in zip(_DIRECTIONS, (t2v, v2t), (correct, correct.t())):
        recall = RetrievalRecall(_TOP_K, sync_on_compute=False)
        has_answer = targets.any(dim=1)  # a video without captions is a distractor, not a query
        recall.update(scores[has_answer], targets[has_answer])
        values = recall.compute()
        metrics |= {f"{prefix}{direction}_{name}": value for name, value in values.items()}
        means.append(values["mean"])
        ranks.append(retrieval_ranks(scores[has_answer], targets[has_answer]))
    return metrics | {f"{prefix}r_mean": torch.stack(means).mean()}, ranks
