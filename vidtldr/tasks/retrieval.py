"""Video-text retrieval: encode, score in both directions, re-rank; and the fine-tuning that goes with it."""

import logging
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from vidtldr.errors import UserError
from vidtldr.metrics.retrieval import RetrievalRecall
from vidtldr.models.checkpoint import file_sha256, save_weights
from vidtldr.models.pixels import blank_input
from vidtldr.models.umt import UMT, UMTTokenizer, UMTVisionEncoder, WordHead, load_umt, umt_size
from vidtldr.scores import ScoreTable
from vidtldr.tasks.encoded import EncodedSet
from vidtldr.tasks.losses import contrastive_loss, matching_loss
from vidtldr.tasks.masked_words import masked_word_loss
from vidtldr.tasks.optimization import adamw_with_cosine, decay_groups
from vidtldr.tasks.rerank import rerank
from vidtldr.tasks.stages import Stage

_log = logging.getLogger(__name__)
_DIRECTIONS = ("t2v", "v2t")


def _recall_table(title: str, group: str, prefix: str = "") -> ScoreTable:
    columns = {f"{prefix}{d}_r{k}": f"{d} R@{k}" for d in _DIRECTIONS for k in (1, 5, 10)}
    compared = f"{prefix}r_mean"
    return ScoreTable(columns | {compared: "mean"}, compared, group, title, prefix)


class VideoTextRetrieval(LightningModule):
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
        drop_path: Stochastic depth of the vision encoder while training.
        dropout: Dropout of the text encoder while training.
        scratch_dir: Folder for token features during an evaluation (several GB for large sets); None means the
            system's temporary folder.
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
        drop_path: float = 0.1,
        dropout: float = 0.1,
        scratch_dir: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.tokenizer = UMTTokenizer(tokenizer, max_length=max_text_length)
        sizes = umt_size(backbone, size)
        if self.tokenizer.vocab_size > sizes.vocab_size:
            raise UserError(
                f"tokenizer '{tokenizer}' has {self.tokenizer.vocab_size} word pieces, the text encoder knows "
                f"{sizes.vocab_size}"
            )
        self.model = UMT(sizes, num_frames=num_frames, image_size=image_size, drop_path=drop_path, dropout=dropout)
        self.word_head = WordHead(sizes.text_width, sizes.vocab_size) if guess_words else None
        self.checkpoint_sha256: str | None = None
        if checkpoint is not None:
            unused = load_umt(self.model, checkpoint)
            self.checkpoint_sha256 = file_sha256(checkpoint)
            _log.info("%s loaded; %d entries of parts that retrieval does not use left out", checkpoint, len(unused))
        self.k_test, self.scratch_dir, self.hard_negatives = k_test, scratch_dir, hard_negatives
        self.learning_rate, self.weight_decay, self.warmup_steps = learning_rate, weight_decay, warmup_steps
        self.recall = nn.ModuleDict(
            {prefix + direction: RetrievalRecall() for prefix in ("", "dual_") for direction in _DIRECTIONS}
        )
        self._encoded: EncodedSet | None = None

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

    def on_test_epoch_start(self) -> None:
        """Start with empty stores."""
        videos, texts = self._loaders()
        self._encoded = EncodedSet(len(videos.dataset), len(texts.dataset), self.scratch_dir)

    def test_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Encode a batch of videos (loader 0) or texts (loader 1)."""
        encoded = self._current()
        if dataloader_idx == 1:
            input_ids, mask = self._tokenize(batch["texts"])
            hidden, features = self.model.encode_text(input_ids, mask)
            encoded.add_texts(batch["index"], hidden, features, mask, batch["videos"])
        elif len(batch["index"]):  # not if every video of the batch was broken
            tokens, features = self.model.encode_video(self.model.normalize(batch["clips"]))
            encoded.videos.add(batch["index"], tokens, features)

    def on_test_epoch_end(self) -> None:
        """Score, re-rank and log recall: re-ranked as ``t2v_r1``, contrastive only as ``dual_t2v_r1``."""
        self._score("")

    def on_validation_epoch_start(self) -> None:
        """As in a test."""
        self.on_test_epoch_start()

    def validation_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> None:
        """As in a test."""
        self.test_step(batch, batch_idx, dataloader_idx)

    def on_validation_epoch_end(self) -> None:
        """As in a test, with names that begin with ``val_``."""
        self._score("val_")

    def on_exception(self, exception: BaseException) -> None:
        """Leave no scratch files behind."""
        self._discard()

    def teardown(self, stage: str) -> None:
        """Leave no scratch files behind."""
        self._discard()

    def _loaders(self) -> list[Any]:
        loaders = self.trainer.test_dataloaders if self.trainer.testing else self.trainer.val_dataloaders
        if not isinstance(loaders, list) or len(loaders) != 2:
            raise UserError("retrieval needs a datamodule that gives two loaders, of videos and of texts")
        return loaders

    def _current(self) -> EncodedSet:
        if self._encoded is None:
            raise RuntimeError("no evaluation has started")
        return self._encoded

    def _score(self, prefix: str) -> None:
        encoded, part = self._current(), self._current().answerable()
        if not len(part.queries):
            raise UserError("nothing is left to evaluate: no readable video has a caption")
        similarity = encoded.texts.features(part.queries) @ encoded.videos.features(part.videos).t()
        # Hooks, unlike steps, do not run in the trainer's precision of themselves.
        precision = self.trainer.precision_plugin.forward_context()
        with precision, Stage(self.trainer, "re-rank", total=len(part.videos)) as stage:
            scores = rerank(
                self.model,
                similarity,
                encoded.videos.tokens,
                encoded.texts.tokens,
                encoded.text_mask(part.queries),
                video_rows=part.videos,
                text_rows=part.queries,
                k=self.k_test,
                on_video=stage.advance,
            )
        self._discard()
        self._log_recall(prefix, "", scores.text_to_video, scores.video_to_text, part.correct)
        self._log_recall(prefix, "dual_", similarity, similarity.t(), part.correct)

    def _log_recall(self, prefix: str, kind: str, t2v: Tensor, v2t: Tensor, correct: Tensor) -> None:
        means = []
        for direction, scores, targets in zip(_DIRECTIONS, (t2v, v2t), (correct, correct.t())):
            recall = cast(RetrievalRecall, self.recall[kind + direction])
            has_answer = targets.any(dim=1)  # a video without captions is a distractor, not a query
            recall.update(scores[has_answer].to(self.device), targets[has_answer].to(self.device))
            values = recall.compute()
            recall.reset()
            self.log_dict({f"{prefix}{kind}{direction}_{name}": value.float() for name, value in values.items()})
            means.append(values["mean"])
        self.log(f"{prefix}{kind}r_mean", torch.stack(means).mean().float())

    def _discard(self) -> None:
        if self._encoded is not None:
            self._encoded.scratch.cleanup()
            self._encoded = None

    def _tokenize(self, texts: list[str], **options: bool) -> tuple[Tensor, Tensor]:
        input_ids, mask = self.tokenizer(texts, **options)
        return input_ids.to(self.device), mask.to(self.device)

    # Fine-tuning.

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Contrastive, matching and (if asked for) word-guessing loss of a batch, equally weighted."""
        input_ids, mask = self._tokenize(batch["texts"], pad_to_longest=True)
        tokens, video = self.model.encode_video(self.model.normalize(batch["clips"]))
        hidden, text = self.model.encode_text(input_ids, mask)
        with torch.no_grad():
            self.model.temp.clamp_(0.001, 0.5)
        similarity = video @ text.t() / self.model.temp
        contrastive = contrastive_loss(similarity, batch["index"])
        matching = matching_loss(
            self.model, tokens, hidden, mask, similarity, batch["index"], hard_negatives=self.hard_negatives
        )
        losses = {"train/contrastive": contrastive, "train/matching": matching}
        if self.word_head is not None:
            mask_id = self.tokenizer.mask_id
            losses["train/words"] = masked_word_loss(self.model, self.word_head, tokens, input_ids, mask, mask_id)
        self.log_dict(losses, prog_bar=True, batch_size=len(video))
        return torch.stack(list(losses.values())).sum()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, no decay on biases, norms and the temperature; linear warm-up, then a cosine down to 1 %."""
        groups = decay_groups(self, self.weight_decay)
        return adamw_with_cosine(self, groups, learning_rate=self.learning_rate, warmup_steps=self.warmup_steps)
