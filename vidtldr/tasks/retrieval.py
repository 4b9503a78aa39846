"""Video-text retrieval: encode, score in both directions, re-rank; and the fine-tuning that goes with it."""

import logging
import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from vidtldr.errors import UserError
from vidtldr.metrics.retrieval import RetrievalRecall
from vidtldr.models.checkpoint import file_sha256
from vidtldr.models.umt import UMT, UMTTokenizer, load_umt, umt_size
from vidtldr.tasks.losses import contrastive_loss, matching_loss
from vidtldr.tasks.rerank import rerank
from vidtldr.tasks.stages import Stage
from vidtldr.tasks.token_store import TokenStore

_log = logging.getLogger(__name__)
_DIRECTIONS = ("t2v", "v2t")


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
        drop_path: Stochastic depth of the vision encoder while training.
        dropout: Dropout of the text encoder while training.
        scratch_dir: Folder for token features during an evaluation (several GB for large sets); None means the
            system's temporary folder.
    """

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
        self.checkpoint_sha256: str | None = None
        if checkpoint is not None:
            unused = load_umt(self.model, checkpoint)
            self.checkpoint_sha256 = file_sha256(checkpoint)
            _log.info("%s loaded; %d entries of parts that retrieval does not use left out", checkpoint, len(unused))
        for direction in _DIRECTIONS:
            setattr(self, f"recall_{direction}", RetrievalRecall())
            setattr(self, f"dual_recall_{direction}", RetrievalRecall())
        self._evaluation: _Evaluation | None = None

    @property
    def vision_encoder(self) -> torch.nn.Module:
        """The ViT that token merging is put on."""
        return self.model.vision_encoder

    def example_clip(self) -> Tensor:
        """A blank normalised clip ``[1, c, t, h, w]`` to count FLOPs with."""
        shape = self.vision_encoder.patch_embed.input_shape
        return torch.zeros(1, *shape, device=self.device, dtype=self.model.vision_proj.weight.dtype)

    # Evaluation. Loader 0 brings videos, loader 1 texts; their scores meet when both are through.

    def on_test_epoch_start(self) -> None:
        """Start with empty stores."""
        videos, texts = self._loaders()
        self._evaluation = _Evaluation(
            num_videos=len(videos.dataset), num_texts=len(texts.dataset), scratch_dir=self.hparams.scratch_dir
        )

    def test_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Encode a batch of videos (loader 0) or texts (loader 1)."""
        if dataloader_idx == 0:
            self._encode_videos(batch)
        else:
            self._encode_texts(batch)

    def on_test_epoch_end(self) -> None:
        """Score, re-rank and log recall: re-ranked as ``t2v_r1``, contrastive only as ``dual_t2v_r1``."""
        self._finish("")

    on_validation_epoch_start = on_test_epoch_start
    validation_step = test_step

    def on_validation_epoch_end(self) -> None:
        """As in a test, with names that begin with ``val_``."""
        self._finish("val_")

    def on_exception(self, exception: BaseException) -> None:
        """Leave no scratch files behind."""
        self._discard_evaluation()

    def teardown(self, stage: str) -> None:
        """Leave no scratch files behind."""
        self._discard_evaluation()

    def _loaders(self) -> list[Any]:
        loaders = self.trainer.test_dataloaders if self.trainer.testing else self.trainer.val_dataloaders
        if not isinstance(loaders, list) or len(loaders) != 2:
            raise UserError("retrieval needs a datamodule that gives two loaders, of videos and of texts")
        return loaders

    def _encode_videos(self, batch: dict[str, Any]) -> None:
        if len(batch["index"]) == 0:  # every video of the batch was broken
            return
        tokens, features = self.model.encode_video(self.model.normalize(batch["clips"]))
        self._evaluation.add_videos(batch["index"], tokens, features)

    def _encode_texts(self, batch: dict[str, Any]) -> None:
        input_ids, mask = self.tokenizer(batch["texts"])
        input_ids, mask = input_ids.to(self.device), mask.to(self.device)
        hidden, features = self.model.encode_text(input_ids, mask)
        self._evaluation.add_texts(batch["index"], hidden, mask, features, batch["videos"])

    def _finish(self, prefix: str) -> None:
        evaluation, self._evaluation = self._evaluation, None
        with evaluation.scratch:
            videos, queries, targets = evaluation.answerable()
            if not len(videos) or not len(queries):
                raise UserError("nothing is left to evaluate: no readable video has a caption")
            similarity = evaluation.text_features[queries] @ evaluation.video_features[videos].t()
            # Hooks, unlike steps, do not run in the trainer's precision of themselves.
            precision = self.trainer.precision_plugin.forward_context()
            with precision, Stage(self.trainer, "re-rank", total=len(videos)) as stage:
                scores = rerank(
                    self.model,
                    similarity,
                    evaluation.videos,
                    _Rows(evaluation.texts, queries),
                    evaluation.text_mask[queries],
                    video_rows=videos,
                    k=self.hparams.k_test,
                    on_video=stage.advance,
                )
        self._log_recall(f"{prefix}dual_", "dual_recall_", similarity, similarity.t(), targets)
        self._log_recall(prefix, "recall_", scores.text_to_video, scores.video_to_text, targets)

    def _log_recall(self, prefix: str, metric: str, t2v: Tensor, v2t: Tensor, targets: Tensor) -> None:
        means = []
        for direction, scores, correct in zip(_DIRECTIONS, (t2v, v2t), (targets, targets.t())):
            recall = getattr(self, metric + direction)
            has_answer = correct.any(dim=1)  # a video without captions is a distractor, not a query
            recall.update(scores[has_answer].to(self.device), correct[has_answer].to(self.device))
            values = recall.compute()
            recall.reset()
            self.log_dict({f"{prefix}{direction}_{name}": value.float() for name, value in values.items()})
            means.append(values["mean"])
        self.log(f"{prefix}r_mean", torch.stack(means).mean().float())

    def _discard_evaluation(self) -> None:
        if self._evaluation is not None:
            self._evaluation.scratch.cleanup()
            self._evaluation = None

    # Fine-tuning.

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Contrastive and matching loss of a batch, equally weighted."""
        input_ids, mask = self.tokenizer(batch["texts"], pad_to_longest=True)
        input_ids, mask = input_ids.to(self.device), mask.to(self.device)
        tokens, video = self.model.encode_video(self.model.normalize(batch["clips"]))
        hidden, text = self.model.encode_text(input_ids, mask)
        with torch.no_grad():
            self.model.temp.clamp_(0.001, 0.5)
        contrastive = contrastive_loss(video, text, batch["index"], self.model.temp)
        similarity = video @ text.t() / self.model.temp
        matching = matching_loss(self.model, tokens, hidden, mask, similarity, batch["index"])
        losses = {"train/contrastive": contrastive, "train/matching": matching}
        self.log_dict(losses, prog_bar=True, batch_size=len(video))
        return contrastive + matching

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW, no decay on biases, norms and the temperature; linear warm-up, then a cosine down to 1 %."""
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.hparams.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.hparams.learning_rate, betas=(0.9, 0.999))
        total, warmup = int(self.trainer.estimated_stepping_batches), self.hparams.warmup_steps

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            progress = min(1.0, (step - warmup) / max(1, total - warmup))
            return 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class _Evaluation:
    """What one pass over videos and texts leaves behind for scoring."""

    def __init__(self, num_videos: int, num_texts: int, scratch_dir: str | None) -> None:
        self.scratch = tempfile.TemporaryDirectory(prefix="vidtldr-", dir=scratch_dir)
        folder = Path(self.scratch.name)
        self.videos = TokenStore(folder / "videos", num_videos)
        self.texts = TokenStore(folder / "texts", num_texts)
        self.video_features: Tensor | None = None
        self.text_features: Tensor | None = None
        self.text_mask: Tensor | None = None
        self._has_video = torch.zeros(num_videos, dtype=torch.bool)
        self._correct: list[list[int]] = [[] for _ in range(num_texts)]

    def add_videos(self, index: Tensor, tokens: Tensor, features: Tensor) -> None:
        index, features = index.cpu(), features.cpu()
        if self.video_features is None:
            self.video_features = features.new_zeros(self.videos.rows, features.shape[1])
        self.video_features[index] = features
        self._has_video[index] = True
        self.videos.write(index, tokens)

    def add_texts(
        self, index: Tensor, hidden: Tensor, mask: Tensor, features: Tensor, correct: list[list[int]]
    ) -> None:
        index, features, mask = index.cpu(), features.cpu(), mask.cpu()
        if self.text_features is None:
            self.text_features = features.new_zeros(self.texts.rows, features.shape[1])
            self.text_mask = mask.new_zeros(self.texts.rows, mask.shape[1])
        self.text_features[index] = features
        self.text_mask[index] = mask
        self.texts.write(index, hidden)
        for row, videos in zip(index.tolist(), correct):
            self._correct[row] = videos

    def answerable(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of the videos that were read, rows of the texts that have one of them, and which pairs are correct.

        Returns:
            ``[g]``, ``[q]`` and ``[q, g]`` bool. A video without a caption stays in the gallery as a distractor.
        """
        correct = torch.zeros(self.texts.rows, self.videos.rows, dtype=torch.bool)
        for row, videos in enumerate(self._correct):
            correct[row, videos] = True
        videos = self._has_video.nonzero().squeeze(1)
        correct = correct[:, videos]
        queries = correct.any(dim=1).nonzero().squeeze(1)
        return videos, queries, correct[queries]


class _Rows:
    """Some rows of a store, counted from 0."""

    def __init__(self, store: TokenStore, rows: Tensor) -> None:
        self._store, self._rows = store, rows

    def read(self, index: Tensor) -> Tensor:
        return self._store.read(self._rows[index])
