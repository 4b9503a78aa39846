"""Dual-encoder retrieval: videos and texts are encoded apart and compared by their cosine, without re-ranking."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from datamodules.annotations.records import RetrievalRecords
from datamodules.contract import RetrievalData
from datamodules.loading.batches import ClipBatch, TextBatch
from vidtldr.errors import UserError
from vidtldr.metrics.retrieval import RetrievalRecall, retrieval_ranks
from vidtldr.models.checkpoint import Choice
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.storage.batch_store import BatchOutput
from vidtldr.tasks.base import Outcome
from vidtldr.tasks.passes import Outputs, Pass, Scores
from vidtldr.tasks.towers import TowerTask

_TOP_K = (1, 5, 10)
_DIRECTIONS = ("t2v", "v2t")


class DualEncoderRetrieval(TowerTask[RetrievalData, ClipBatch | TextBatch]):
    """A pair of towers on video-text retrieval: mean of the frames, cosine with the text.

    A text longer than the text tower's positions is cut off.
    """

    score_tables = (
        ScoreTable(
            {f"{direction}_r{k}": f"{direction} R@{k}" for direction in _DIRECTIONS for k in _TOP_K}
            | {"r_mean": "mean"},
            compared="r_mean",
            group="dual",
            title="dual encoder",
        ),
    )
    score_note = (
        "recall in percent by cosine, without re-ranking; mean = mean of the six recalls; "
        "GFLOPs = image tower, all frames of one clip"
    )
    passes = (Pass("videos", "encode videos"), Pass("texts", "encode texts"))
    monitor = "val_r_mean"

    def __init__(
        self,
        backbone: str = "auto",
        size: dict[str, Any] | None = None,
        num_frames: int = 12,
        image_size: int = 224,
        checkpoint: str | None = None,
        weights: Choice = "plain",
        tokenizer: str | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            size=size,
            num_frames=num_frames,
            image_size=image_size,
            checkpoint=checkpoint,
            weights=weights,
            tokenizer=tokenizer,
        )

    # Loader 0 brings videos, loader 1 texts.

    def test_step(self, batch: ClipBatch | TextBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """Encode a batch of videos or texts."""
        if not len(batch.index):  # every video of the batch was broken
            return None
        encode = self.encode_texts(batch.texts) if isinstance(batch, TextBatch) else self.encode_video(batch.clips)
        return {"features": encode}

    def output(
        self, batch: ClipBatch | TextBatch, outcome: Outcome, dataloader_idx: int
    ) -> tuple[Mapping[str, Tensor], Mapping[str, object]]:
        """What was encoded, and which videos belong to a text."""
        return outcome or {}, {"videos": batch.videos} if isinstance(batch, TextBatch) else {}

    def score(self, outputs: Outputs) -> Scores:
        """Recall in both directions, as ``t2v_r1``, and the mean ``r_mean``."""
        records = self.data.records
        videos, video_features = _features(outputs["videos"])
        texts, text_features = _features(outputs["texts"])
        answers = {
            row: own
            for output in outputs["texts"]
            for row, own in zip(output["index"].tolist(), output.notes["videos"], strict=True)
        }
        correct = torch.zeros(len(texts), len(records.videos), dtype=torch.bool)
        for row, text in enumerate(texts.tolist()):
            correct[row, answers[text]] = True
        correct = correct[:, videos]
        asked = correct.any(dim=1)  # a text whose videos are all broken is no query
        if not bool(asked.any()):
            raise UserError("nothing is left to evaluate: no readable video has a caption")
        similarity, correct = text_features[asked] @ video_features.t(), correct[asked]
        metrics: dict[str, Tensor] = {}
        for direction, scores, targets in _both_ways(similarity, correct):
            recall = RetrievalRecall(_TOP_K, sync_on_compute=False)
            recall.update(scores, targets)
            metrics |= {f"{direction}_{name}": value for name, value in recall.compute().items()}
        metrics["r_mean"] = torch.stack([metrics[f"{direction}_mean"] for direction in _DIRECTIONS]).mean()
        return Scores(metrics, partial(_samples, records, videos, texts[asked], similarity, correct))

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to the mean of the six recalls; its captions count with it."""

        def hits(sample: Sample) -> dict[int, float]:
            first = len(_TOP_K) * (sample["query"] == "video")
            return {first + part: sample["rank"] <= k for part, k in enumerate(_TOP_K)}

        return contributions_of(samples, hits, parts=len(_TOP_K) * len(_DIRECTIONS))


def _features(outputs: Sequence[BatchOutput]) -> tuple[Tensor, Tensor]:
    """Rows that were encoded, in their order, and their features ``[n, e]``, float32."""
    encoded = [output for output in outputs if "features" in output]
    if not encoded:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, 1)
    rows, order = torch.cat([output["index"] for output in encoded]).sort()
    return rows, torch.cat([output["features"] for output in encoded])[order].float()


def _both_ways(similarity: Tensor, correct: Tensor) -> list[tuple[str, Tensor, Tensor]]:
    """Each direction with its scores and targets, queries first; a video without captions is only a distractor."""
    captioned = correct.any(dim=0)
    return [("t2v", similarity, correct), ("v2t", similarity.t()[captioned], correct.t()[captioned])]


def _samples(
    records: RetrievalRecords, videos: Tensor, texts: Tensor, similarity: Tensor, correct: Tensor
) -> list[Sample]:
    """One row for each query: its rank, from 1, and what stands first."""
    names, numbers = [records.videos[row] for row in videos.tolist()], texts.tolist()
    captioned = correct.any(dim=0).nonzero().squeeze(1).tolist()
    (_, *of_texts), (_, *of_videos) = _both_ways(similarity, correct)
    rows: list[Sample] = []
    for number, rank, target, scores in zip(numbers, retrieval_ranks(*of_texts).tolist(), correct, of_texts[0]):
        first, caption = int(scores.argmax()), {"caption": records.texts[number]}
        own = names[int(target.nonzero()[0])]
        rows.append(
            {"query": "text", "id": number, "video": own, **caption, "rank": rank + 1}
            | {"prediction": names[first], "score": float(scores[first])}
        )
    for column, rank, scores in zip(captioned, retrieval_ranks(*of_videos).tolist(), of_videos[0]):
        first, name = int(scores.argmax()), names[column]
        rows.append(
            {"query": "video", "id": name, "video": name, "rank": rank + 1}
            | {"prediction": numbers[first], "score": float(scores[first])}
        )
    return rows
