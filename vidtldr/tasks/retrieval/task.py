"""Video-text retrieval: encode, score in both directions, re-rank; and the fine-tuning that goes with it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from datamodules.loading.batches import Batch, ClipBatch, TextBatch
from vidtldr.errors import UserError
from vidtldr.metrics.retrieval import RetrievalRecall, retrieval_ranks
from vidtldr.models.checkpoint import file_sha256, save_weights
from vidtldr.models.pixels import blank_input
from vidtldr.models.sizes import check_vocabulary
from vidtldr.models.umt import UMT, UMTTokenizer, UMTVisionEncoder, WordHead, load_umt, umt_size
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.tasks.base import UnitTask
from vidtldr.tasks.fine_tuning.optimization import adamw_with_cosine, decay_groups, nothing_to_learn
from vidtldr.tasks.retrieval.encoded import Answerable, EncodedSet
from vidtldr.tasks.retrieval.losses import contrastive_loss, matching_loss, wrong_logits
from vidtldr.tasks.retrieval.masked_words import masked_word_loss
from vidtldr.tasks.retrieval.rerank import Reranked, Reranking
from vidtldr.tasks.retrieval.swapped_words import WrongTexts, swap_words, word_numbers
from vidtldr.tasks.stages import Stage

_log = logging.getLogger(__name__)
_DIRECTIONS = ("t2v", "v2t")
_TOP_K = (1, 5, 10)
_SCORES = "scores"  # the stage of re-ranking
_VIDEOS_PER_UNIT = 8  # of re-ranking: little to lose when a run is killed, and not too many files


def _recall_table(title: str, group: str, prefix: str = "") -> ScoreTable:
    columns = {f"{prefix}{d}_r{k}": f"{d} R@{k}" for d in _DIRECTIONS for k in _TOP_K}
    compared = f"{prefix}r_mean"
    return ScoreTable(columns | {compared: "mean"}, compared, group, title, prefix)


class VideoTextRetrieval(UnitTask):
    """UMT on video-text retrieval.

    Args:
        backbone: Published size: ``umt_b`` or ``umt_l``.
        size: Single sizes that differ from the published ones, such as ``{depth: 6}``.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        checkpoint: Weights: a published UMT file, or one exported by this project. None starts from random weights.
        tokenizer: Vocabulary of the text encoder: a hub name, or a local vocab.txt or folder.
        max_text_length: Longest text in tokens; the rest is cut off.
        k_test: Candidates of each query that the fusion encoder re-ranks.
        learning_rate: Peak learning rate.
        weight_decay: AdamW's, on matrices only.
        warmup_steps: Steps over which the learning rate rises, before it falls along a cosine.
        guess_words: Also guess masked words of a caption from its video, as UMT's pre-training does.
        hard_negatives: Match against negatives that the contrastive head finds likely, as UMT's fine-tuning does; a
            fusion encoder that starts from random weights needs easy ones first.
        swapped_words: Words, such as colours, two of which exchanged make a caption wrong: training also tells such
            captions from the true ones, as NegCLIP does.
        drop_path: Stochastic depth of the vision encoder while training.
        dropout: Dropout of the text encoder while training.
    """

    score_tables: ClassVar = (
        _recall_table("re-ranked", "reranked"),
        _recall_table("contrastive only, without re-ranking", "dual", prefix="dual_"),
    )
    score_note: ClassVar = "recall in percent; mean = mean of the six recalls; GFLOPs = vision encoder, one clip"
    stages: ClassVar = ("encode videos", "encode texts")
    monitor: ClassVar = "val_r_mean"

    def __init__(
        self,
        backbone: str = "umt_b",
        size: dict[str, Any] | None = None,
        num_frames: int = 12,
        image_size: int = 224,
        checkpoint: str | None = None,
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
        super().__init__()
        self.save_hyperparameters()
        self.tokenizer = UMTTokenizer(tokenizer, max_length=max_text_length)
        sizes = umt_size(backbone, size)
        check_vocabulary(tokenizer, self.tokenizer.vocab_size, sizes.vocab_size)
        if max_text_length > sizes.max_positions:
            raise UserError(
                f"max_text_length={max_text_length} exceeds the {sizes.max_positions} positions of the text encoder"
            )
        self.model = UMT(sizes, num_frames=num_frames, image_size=image_size, drop_path=drop_path, dropout=dropout)
        self.word_head = WordHead(sizes.text_width, sizes.vocab_size) if guess_words else None
        self.checkpoint_sha256: str | None = None
        if checkpoint is not None:
            unused = load_umt(self.model, checkpoint)
            self.checkpoint_sha256 = file_sha256(checkpoint)
            _log.info("%s loaded; %d entries of parts that retrieval does not use left out", checkpoint, len(unused))
        self._swappable = word_numbers(self.tokenizer, swapped_words) if swapped_words else None
        self.k_test, self.hard_negatives = k_test, hard_negatives
        self.learning_rate, self.weight_decay, self.warmup_steps = learning_rate, weight_decay, warmup_steps
        self.recall = nn.ModuleDict(
            {
                prefix + direction: RetrievalRecall(sync_on_compute=False)
                for prefix in ("", "dual_")
                for direction in _DIRECTIONS
            }
        )

    @property
    def vision_encoder(self) -> UMTVisionEncoder:
        """The ViT that token merging is put on."""
        return self.model.vision_encoder

    def example_clip(self) -> Tensor:
        """A blank normalised clip ``[1, c, t, h, w]`` to count FLOPs with."""
        return blank_input(self.vision_encoder)

    def export_weights(self, checkpoint: str | Path, path: str | Path) -> None:
        """Write the model's weights of a training checkpoint as safetensors, to be given as ``checkpoint`` later."""
        load_umt(self.model, checkpoint)
        save_weights(self.model, path)

    # Evaluation. Loader 0 brings videos, loader 1 texts; their scores meet when both are through.

    @property
    def loader_stages(self) -> tuple[str, ...]:
        """Encoding, of either side."""
        return "videos", "texts"

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor] | None:
        """Encode a batch of videos (loader 0) or texts (loader 1)."""
        if not len(batch.index):  # every video of the batch was broken
            return None
        if isinstance(batch, TextBatch):
            input_ids, mask = self._tokenize(batch.texts)
            hidden, features = self.model.encode_text(input_ids, mask)
            return {"tokens": hidden, "features": features, "mask": mask}
        assert isinstance(batch, ClipBatch)
        tokens, features = self.model.encode_video(self.model.normalize(batch.clips))
        return {"tokens": tokens, "features": features}

    def on_test_batch_end(self, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep what was encoded, and which videos belong to a text."""
        notes = {"videos": batch.videos} if isinstance(batch, TextBatch) else {}
        self.keep_batch(self.loader_stages[dataloader_idx], batch, outputs, **notes)

    def on_test_epoch_end(self) -> None:
        """Score, re-rank and log recall: re-ranked as ``t2v_r1``, contrastive only as ``dual_t2v_r1``."""
        self._score("")

    def on_validation_epoch_end(self) -> None:
        """As in a test, with names that begin with ``val_``."""
        self._score("val_")

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to the mean of the six recalls; its captions count with it."""

        def hits(sample: Sample) -> dict[int, float]:
            first = len(_TOP_K) * (sample["query"] == "video")
            return {first + part: sample["rank"] <= k for part, k in enumerate(_TOP_K)}

        return contributions_of(samples, hits, parts=len(_TOP_K) * len(_DIRECTIONS))

    def _score(self, prefix: str) -> None:
        videos, texts = (self.all_units(stage) for stage in self.loader_stages)
        self.count_broken(0, videos)
        encoded = EncodedSet(videos, texts, *(len(loader.dataset) for loader in self._loaders()))
        part = encoded.answerable()
        if not len(part.queries):
            raise UserError("nothing is left to evaluate: no readable video has a caption")
        similarity = (encoded.texts.features(part.queries) @ encoded.videos.features(part.videos).t()).float()
        scores = self._rerank(encoded, part, similarity)
        self.end_units()
        ranks = self._log_recall(prefix, "", scores.text_to_video, scores.video_to_text, part.correct)
        dual_ranks = self._log_recall(prefix, "dual_", similarity, similarity.t(), part.correct)
        if self.trainer.testing and self.trainer.is_global_zero:
            self.samples = self._samples(part, scores, ranks, dual_ranks)

    def _rerank(self, encoded: EncodedSet, part: Answerable, similarity: Tensor) -> Reranked:
        work = Reranking(self.model, similarity, encoded, part, k=self.k_test)
        done = self.found_units(_SCORES)
        columns = list(range(len(part.videos)))
        starts = [start for start in columns[::_VIDEOS_PER_UNIT] if start not in done]
        own = [
            columns[start : start + _VIDEOS_PER_UNIT] for start in starts[self.global_rank :: self.trainer.world_size]
        ]
        # Hooks, unlike steps, do not run in the trainer's precision of themselves.
        precision = self.trainer.precision_plugin.forward_context()
        with precision, Stage(self.trainer, "re-rank", total=sum(map(len, own))) as stage:
            for unit in own:
                unit_scores = []
                for column in unit:
                    unit_scores.append(work.scores(column))
                    stage.advance()
                self.keep_unit(_SCORES, unit[0], {"scores": torch.stack(unit_scores, dim=1)}, items=len(unit))
        units = self.all_units(_SCORES)
        return work.reranked(torch.cat([unit["scores"] for unit in units], dim=1))

    def _log_recall(self, prefix: str, kind: str, t2v: Tensor, v2t: Tensor, correct: Tensor) -> list[Tensor]:
        """Log the recalls of both directions; returns the ranks of all queries that have an answer."""
        means, ranks = [], []
        for direction, scores, targets in zip(_DIRECTIONS, (t2v, v2t), (correct, correct.t())):
            recall = cast(RetrievalRecall, self.recall[kind + direction])
            has_answer = targets.any(dim=1)  # a video without captions is a distractor, not a query
            recall.update(scores[has_answer].to(self.device), targets[has_answer].to(self.device))
            values = recall.compute()
            recall.reset()
            self.log_dict({f"{prefix}{kind}{direction}_{name}": value.float() for name, value in values.items()})
            means.append(values["mean"])
            ranks.append(retrieval_ranks(scores[has_answer], targets[has_answer]))
        self.log(f"{prefix}{kind}r_mean", torch.stack(means).mean().float())
        return ranks

    def _samples(
        self, part: Answerable, scores: Reranked, ranks: list[Tensor], dual_ranks: list[Tensor]
    ) -> list[Sample]:
        """One row for each query: its rank by either score, from 1, and what stands first."""
        names = self._names(part)
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
                        "rank": position + 1,
                        "contrastive_rank": dual_position + 1,
                        "prediction": other[int(best.indices[row])],
                        "score": float(best.values[row]),
                    }
                )
        return rows

    def _names(self, part: Answerable) -> dict[str, list[Any]]:
        """What videos are called, and the positions of texts."""
        records = getattr(self.trainer.datamodule, "records", None)  # type: ignore[attr-defined]
        videos = [row if records is None else records.videos[row] for row in part.videos.tolist()]
        return {"video": videos, "text": part.queries.tolist()}

    def _loaders(self) -> list[Any]:
        loaders = self.trainer.test_dataloaders if self.trainer.testing else self.trainer.val_dataloaders
        if not isinstance(loaders, list) or len(loaders) != 2:
            raise UserError("retrieval needs a datamodule that gives two loaders, of videos and of texts")
        return loaders

    def _tokenize(self, texts: list[str], **options: bool) -> tuple[Tensor, Tensor]:
        input_ids, mask = self.tokenizer(texts, **options)
        return input_ids.to(self.device), mask.to(self.device)

    # Fine-tuning.

    def on_fit_start(self) -> None:
        """Check that a batch can hold a pair that is wrong."""
        if getattr(self.trainer.datamodule, "batch_size", 2) < 2:  # type: ignore[attr-defined]
            raise UserError("retrieval learns from wrong pairs, too: set --data.batch_size to at least 2 for training")

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """Contrastive, matching and (if asked for) word-guessing loss of a batch, equally weighted."""
        if len(batch.index.unique()) < 2:  # the others were broken, and no pair is a wrong one
            return nothing_to_learn(self)
        assert batch.texts is not None  # data for retrieval give each clip a caption
        input_ids, mask = self._tokenize(batch.texts, pad_to_longest=True)
        tokens, video = self.model.encode_video(self.model.normalize(batch.clips))
        hidden, text = self.model.encode_text(input_ids, mask)
        with torch.no_grad():
            self.model.temp.clamp_(0.001, 0.5)
        similarity = video @ text.t() / self.model.temp
        wrong = self._wrong_texts(input_ids, mask)
        pairs = similarity, batch.index
        losses = {
            "train/contrastive": contrastive_loss(*pairs, wrong and wrong_logits(video, wrong, self.model.temp)),
            "train/matching": matching_loss(
                self.model, tokens, hidden, mask, *pairs, hard_negatives=self.hard_negatives, wrong=wrong
            ),
        }
        if self.word_head is not None:
            mask_id = self.tokenizer.mask_id
            losses["train/words"] = masked_word_loss(self.model, self.word_head, tokens, input_ids, mask, mask_id)
        self.log_dict(losses, prog_bar=True, batch_size=len(video))
        return torch.stack(list(losses.values())).sum()

    def _wrong_texts(self, input_ids: Tensor, mask: Tensor) -> WrongTexts | None:
        if self._swappable is None:
            return None
        wrong_ids, rows = swap_words(input_ids, self._swappable)
        return WrongTexts(rows, *self.model.encode_text(wrong_ids, mask[rows])) if len(rows) else None

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, no decay on biases, norms and the temperature; linear warm-up, then a cosine down to 1 %."""
        groups = decay_groups(self, self.weight_decay)
        return adamw_with_cosine(self, groups, learning_rate=self.learning_rate, warmup_steps=self.warmup_steps)
