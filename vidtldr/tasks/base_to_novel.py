"""Base-to-novel generalisation: classify videos by the names of their classes, with names never trained on."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from timm.models import VisionTransformer
from torch import Tensor

from datamodules.contract import HALVES, Half
from datamodules.loading.batches import ClipBatch, ViewBatch
from vidtldr.errors import UserError
from vidtldr.metrics import BaseToNovelAccuracy
from vidtldr.metrics.retrieval import retrieval_ranks
from vidtldr.models.checkpoint import file_sha256, save_weights
from vidtldr.models.pixels import PixelNorm, blank_input
from vidtldr.models.sizes import check_vocabulary
from vidtldr.models.vifi_clip import ClipTokenizer, ViFiCLIP, load_vifi_clip, prompts, vifi_clip_size
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.tasks.base import UnitTask
from vidtldr.tasks.fine_tuning.mixing import ClipMixer
from vidtldr.tasks.fine_tuning.optimization import adamw_with_cosine, decay_groups, nothing_to_learn

_log = logging.getLogger(__name__)
PUBLISHED_SEEDS = 3


class BaseToNovel(UnitTask):
    """ViFi-CLIP on base-to-novel generalisation.

    A video competes among the class names of its own half only. With several checkpoints, one a seed, base and novel
    are means over them and the harmonic mean is that of these means.

    Args:
        backbone: Published size: ``vifi_clip_b16`` or ``vifi_clip_b32``.
        size: Single sizes that differ from the published ones, such as ``{depth: 6}``.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        checkpoint: Weights: a published ViFi-CLIP file, an OpenAI or open_clip CLIP, or one exported by this project; a
            list of them for several seeds. None starts from random weights.
        token_embedding: The original CLIP file, whose table of token embeddings a published ViFi-CLIP file lacks.
        tokenizer: ``clip`` for CLIP's own byte-pair encoding, or a ``vocab.txt`` of words.
        template: Prompt around a class name, ``{}`` standing for the name; None takes the bare name, as the published
            row of zero-shot CLIP does.
        learning_rate: Peak learning rate.
        weight_decay: AdamW's, on matrices only.
        warmup_steps: Steps over which the learning rate rises, before it falls along a cosine.
        mixup: Alpha of mixup; 0 for none.
        cutmix: Alpha of cutmix; 0 for none.
        label_smoothing: Share of the target that is spread over all classes.
        drop_path: Stochastic depth of the image tower while training.
        train_token_embedding: Train the table of token embeddings too, which starts random where there is no CLIP to
            start from; the published model keeps it fixed.
    """

    score_tables: ClassVar = (
        ScoreTable(
            {"base": "base", "novel": "novel", "hm": "HM"}, compared="hm", group="accuracy", title="base to novel"
        ),
    )
    stages: ClassVar = ("base classes", "novel classes")
    monitor: ClassVar = "val_base"

    def __init__(
        self,
        backbone: str = "vifi_clip_b16",
        size: dict[str, Any] | None = None,
        num_frames: int = 32,
        image_size: int = 224,
        checkpoint: str | list[str] | None = None,
        token_embedding: str | None = None,
        tokenizer: str = "clip",
        template: str | None = "a photo of a {}.",
        learning_rate: float = 8e-6,
        weight_decay: float = 0.001,
        warmup_steps: int = 100,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        label_smoothing: float = 0.1,
        drop_path: float = 0.0,
        train_token_embedding: bool = False,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        sizes = vifi_clip_size(backbone, size)
        self.tokenizer = ClipTokenizer(tokenizer, context_length=sizes.context_length)
        check_vocabulary(tokenizer, self.tokenizer.vocab_size, sizes.vocab_size)
        if template is not None and "{}" not in template:
            raise UserError(f"template={template!r} has no {{}} where the class name goes")
        self.model = ViFiCLIP(sizes, image_size=image_size, drop_path=drop_path)
        self.pixel_norm = PixelNorm()
        self.template, self.token_embedding, self.num_frames = template, token_embedding, num_frames
        self.checkpoints = [checkpoint] if isinstance(checkpoint, str) else checkpoint or []
        self.checkpoint_sha256 = [file_sha256(path) for path in self.checkpoints if Path(path).is_file()] or None
        self._seed = 0
        for seed in reversed(range(len(self.checkpoints))):  # all are read before time is spent on the first
            self._load(seed)
        self.accuracy = BaseToNovelAccuracy(self.num_seeds, sync_on_compute=False)
        self.mixing = {"mixup": mixup, "cutmix": cutmix, "label_smoothing": label_smoothing}
        self.learning_rate, self.weight_decay, self.warmup_steps = learning_rate, weight_decay, warmup_steps
        self.train_token_embedding = train_token_embedding
        self._class_features: list[Tensor] = []

    @property
    def vision_encoder(self) -> VisionTransformer:
        """The image tower, which token merging is put on."""
        return self.model.vision_encoder

    @property
    def num_seeds(self) -> int:
        """Models that are averaged over."""
        return max(1, len(self.checkpoints))

    @property
    def score_note(self) -> str:
        """What the scores are."""
        return (
            "top-1 in percent, each half of the classes within its own names; HM = harmonic mean; "
            f"{self.num_seeds} of {PUBLISHED_SEEDS} seeds; {self._prompt_note}; GFLOPs = image tower, one clip"
        )

    @property
    def _prompt_note(self) -> str:
        return "bare class names" if self.template is None else f"prompt '{self.template}'"

    def use_seed(self, seed: int) -> None:
        """Load the checkpoint of one seed, from 0, unless it is there already."""
        if seed != self._seed:
            self._load(seed)

    def _load(self, seed: int) -> None:
        self._seed = seed
        unused = load_vifi_clip(self.model, self.checkpoints[seed], token_embedding=self.token_embedding)
        _log.info("%s loaded; %d entries of no use left out", self.checkpoints[seed], len(unused))

    def example_clip(self) -> Tensor:
        """The blank normalised frames of one clip ``[t, c, h, w]`` to count FLOPs with."""
        return blank_input(self.vision_encoder, self.num_frames)

    def export_weights(self, checkpoint: str | Path, path: str | Path) -> None:
        """Write the model's weights of a training checkpoint as safetensors, to be given as ``checkpoint`` later."""
        load_vifi_clip(self.model, checkpoint)
        save_weights(self.model, path)

    def encode_classes(self, names: list[str]) -> Tensor:
        """Features of class names in the prompt, ``[k, e]``, length 1."""
        return self.model.encode_text(self.tokenizer(prompts(names, self.template)).to(self.device))

    def encode_video(self, clips: Tensor) -> Tensor:
        """Features of uint8 clips ``[b, t, c, h, w]``, ``[b, e]``, length 1."""
        return self.model.encode_video(self.pixel_norm(clips).to(self.vision_encoder.patch_embed.proj.weight.dtype))

    # Evaluation. Loader 0 brings videos of base classes, loader 1 of novel ones.

    @property
    def loader_stages(self) -> tuple[str, ...]:
        """Classifying the videos of each half, by the model of each seed."""
        return tuple(f"{half}-{self._seed}" for half in HALVES)

    def on_test_start(self) -> None:
        """Encode the class names of both halves, once for all batches."""
        if self._seed == 0:
            self.accuracy.reset()
            self.samples = []
        self._encode_halves()

    def test_step(self, batch: ViewBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor] | None:
        """Classify a batch of videos among the names of its half."""
        if not len(batch.clips):  # every video of the batch was broken
            return None
        logits = self.model.logits(self.encode_video(batch.clips), self._class_features[dataloader_idx])
        return {"logits": logits.float(), "label": batch.label}

    def on_test_epoch_end(self) -> None:
        """Log ``base``, ``novel`` and ``hm``, over the seeds evaluated so far."""
        for loader, stage in enumerate(self.loader_stages):
            units = self.all_units(stage)
            self.count_broken(loader, units)
            for unit in units:
                if "logits" in unit:
                    self._take_in(HALVES[loader], unit["logits"], unit["label"], unit["index"])
        self.end_units()
        if not bool((self.accuracy.videos[:, self._seed] > 0).all()):
            raise UserError("nothing is left to evaluate: a half of the classes has no readable video")
        self.log_dict({name: value.float() for name, value in self.accuracy.compute().items()})

    def on_validation_epoch_start(self) -> None:
        """As in a test, on base classes: novel ones must not choose the checkpoint."""
        super().on_validation_epoch_start()
        self._encode_halves()

    def on_validation_epoch_end(self) -> None:
        """Log ``val_base``, top-1 in percent."""
        units = [unit for unit in self.all_units(self.loader_stages[0]) if "logits" in unit]
        hits = [unit["logits"].argmax(dim=1) == unit["label"] for unit in units]
        self.end_units()
        if hits:
            self.log("val_base", 100 * torch.cat(hits).float().mean())

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to the harmonic mean; all seeds count with it."""
        num_seeds = 1 + max(sample["seed"] for sample in samples)

        def hits(sample: Sample) -> dict[int, float]:
            return {HALVES.index(sample["half"]) * num_seeds + sample["seed"]: sample["rank"] == 1}

        return contributions_of(samples, hits, parts=len(HALVES) * num_seeds, combine="harmonic")

    def _take_in(self, half: Half, logits: Tensor, label: Tensor, index: Tensor) -> None:
        """Count the videos of a batch, and note what came out for each."""
        self.accuracy.update(logits.to(self.device), label.to(self.device), half=half, seed=self._seed)
        if not self.trainer.is_global_zero:
            return
        videos = self.trainer.datamodule.records[half].videos  # type: ignore[attr-defined]
        ranks = retrieval_ranks(logits, [[int(number)] for number in label])
        columns = (index.tolist(), label.tolist(), logits.argmax(dim=1).tolist(), ranks.tolist())
        for video, number, found, rank in zip(*columns, strict=True):
            self.samples.append(
                {
                    "video": videos[video],
                    "half": half,
                    "seed": self._seed,
                    "label": number,
                    "prediction": found,
                    "rank": rank + 1,
                }
            )

    # Fine-tuning on base classes.

    def on_fit_start(self) -> None:
        """Prepare the soft targets for the base classes."""
        self._base_tokens = self.tokenizer(prompts(self._class_names("base"), self.template)).to(self.device)
        self.mixer = ClipMixer(len(self._base_tokens), **self.mixing)

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """Cross-entropy with the (mixed, smoothed) labels, among the base classes; both towers learn."""
        if not len(batch.clips):  # every video of the batch was broken
            return nothing_to_learn(self)
        assert batch.label is not None  # data for base-to-novel give each clip its class
        clips, targets = self.mixer(self.pixel_norm(batch.clips), batch.label)
        logits = self.model.logits(self.model.encode_video(clips), self.model.encode_text(self._base_tokens))
        loss = F.cross_entropy(logits.float(), targets)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(clips))
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, no decay on biases and norms; warm-up, then a cosine. The token table is fixed, as published."""
        self.model.token_embedding.requires_grad_(self.train_token_embedding)
        groups = decay_groups(self.model, self.weight_decay)
        return adamw_with_cosine(
            self, groups, learning_rate=self.learning_rate, warmup_steps=self.warmup_steps, betas=(0.9, 0.98)
        )

    def _class_names(self, half: str) -> list[str]:
        return self.trainer.datamodule.class_names[half]  # type: ignore[attr-defined]

    def _encode_halves(self) -> None:
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            self._class_features = [self.encode_classes(self._class_names(half)) for half in HALVES]
