"""Base-to-novel generalisation: classify videos by the names of their classes, with names never trained on."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from timm.models import VisionTransformer
from torch import Tensor

from datamodules.contract import BaseToNovelData
from datamodules.loading.batches import ClipBatch, ViewBatch
from vidtldr.errors import UserError
from vidtldr.metrics import BaseToNovelAccuracy
from vidtldr.metrics.base_to_novel import HALVES, Half
from vidtldr.metrics.retrieval import retrieval_ranks
from vidtldr.models.checkpoint import file_sha256
from vidtldr.models.pixels import PixelNorm, blank_input
from vidtldr.models.sizes import check_vocabulary
from vidtldr.models.vifi_clip import ClipTokenizer, ViFiCLIP, load_vifi_clip, prompts, vifi_clip_size
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.storage.batch_store import BatchOutput
from vidtldr.tasks.base import Outcome, Task
from vidtldr.tasks.fine_tuning.mixing import ClipMixer
from vidtldr.tasks.fine_tuning.optimization import adamw_with_cosine, decay_groups, nothing_to_learn
from vidtldr.tasks.passes import Outputs, Pass, Scores

_log = logging.getLogger(__name__)
PUBLISHED_SEEDS = 3


class BaseToNovel(Task[BaseToNovelData, ViewBatch]):
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

    score_tables = (
        ScoreTable(
            {"base": "base", "novel": "novel", "hm": "HM"}, compared="hm", group="accuracy", title="base to novel"
        ),
    )
    model: ViFiCLIP
    monitor = "val_base"

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
        self.num_seeds = max(1, len(self.checkpoints))
        self._seed = 0
        for seed in reversed(range(len(self.checkpoints))):  # all are read before time is spent on the first
            self._load(seed)
        self.mixing = {"mixup": mixup, "cutmix": cutmix, "label_smoothing": label_smoothing}
        self.learning_rate, self.weight_decay, self.warmup_steps = learning_rate, weight_decay, warmup_steps
        self.train_token_embedding = train_token_embedding
        self._class_features: list[Tensor] = []

    @property
    def vision_encoder(self) -> VisionTransformer:
        """The image tower, which token merging is put on."""
        return self.model.vision_encoder

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
        unused = self.load_weights(self.checkpoints[seed])
        _log.info("%s loaded; %d entries that this task does not use left out", self.checkpoints[seed], len(unused))

    def load_weights(self, path: str | Path) -> list[str]:
        """Load a checkpoint; what it lacks of the token embeddings comes from CLIP's file."""
        return load_vifi_clip(self.model, path, token_embedding=self.token_embedding)

    def example_clip(self) -> Tensor:
        """The blank normalised frames of one clip ``[t, c, h, w]`` to count FLOPs with."""
        return blank_input(self.vision_encoder, self.num_frames)

    def encode_classes(self, names: list[str]) -> Tensor:
        """Features of class names in the prompt, ``[k, e]``, length 1."""
        return self.model.encode_text(self.tokenizer(prompts(names, self.template)).to(self.device))

    def encode_video(self, clips: Tensor) -> Tensor:
        """Features of uint8 clips ``[b, t, c, h, w]``, ``[b, e]``, length 1."""
        return self.model.encode_video(self.pixel_norm(clips).to(self.vision_encoder.patch_embed.proj.weight.dtype))

    # Evaluation. Loader 0 brings videos of base classes, loader 1 of novel ones.

    @property
    def passes(self) -> tuple[Pass, ...]:  # type: ignore[override]  # another for each seed
        """Classifying the videos of each half, by the model of the present seed."""
        return tuple(Pass(f"{half}-{self._seed}", f"{half} classes") for half in HALVES)

    def scored_passes(self, num_loaders: int) -> tuple[Pass, ...]:
        """Also those of the seeds before."""
        names = [f"{half}-{seed}" for seed in range(self._seed + 1) for half in HALVES[:num_loaders]]
        return tuple(Pass(name, "") for name in names)

    def on_test_start(self) -> None:
        """Encode the class names of both halves, once for all batches."""
        self._encode_halves()

    def on_validation_start(self) -> None:
        """As in a test."""
        self._encode_halves()

    def test_step(self, batch: ViewBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """Classify a batch of videos among the names of its half."""
        if not len(batch.clips):  # every video of the batch was broken
            return None
        logits = self.model.logits(self.encode_video(batch.clips), self._class_features[dataloader_idx])
        return {"logits": logits.float(), "label": batch.label}

    def score(self, outputs: Outputs) -> Scores:
        """``base``, ``novel`` and ``hm`` over the seeds so far; of a validation ``base`` alone."""
        accuracy = BaseToNovelAccuracy(self.num_seeds, sync_on_compute=False)
        classified = [(name, output) for name, each in outputs.items() for output in each if "logits" in output]
        for name, output in classified:
            half, seed = _half_and_seed(name)
            accuracy.update(output["logits"], output["label"], half=half, seed=seed)
        samples = partial(self._samples, classified)
        if len(outputs) == 1:  # a validation, which has no novel classes
            found = accuracy.videos[0, 0] > 0
            return Scores({"base": 100 * accuracy.correct[0, 0] / accuracy.videos[0, 0]} if found else {}, samples)
        if not bool((accuracy.videos[:, self._seed] > 0).all()):
            raise UserError("nothing is left to evaluate: a half of the classes has no readable video")
        return Scores(accuracy.compute(), samples)

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to the harmonic mean; all seeds count with it."""
        num_seeds = 1 + max(sample["seed"] for sample in samples)

        def hits(sample: Sample) -> dict[int, float]:
            return {HALVES.index(sample["half"]) * num_seeds + sample["seed"]: sample["rank"] == 1}

        return contributions_of(samples, hits, parts=len(HALVES) * num_seeds, combine="harmonic")

    def _samples(self, classified: Sequence[tuple[str, BatchOutput]]) -> list[Sample]:
        """One row for each video under each seed."""
        rows: list[Sample] = []
        for name, output in classified:
            half, seed = _half_and_seed(name)
            videos, class_names = self.data.records[half].videos, self._class_names(half)
            logits, label = output["logits"], output["label"]
            ranks = retrieval_ranks(logits, [[int(number)] for number in label])
            columns = (output["index"].tolist(), label.tolist(), logits.argmax(dim=1).tolist(), ranks.tolist())
            rows += [
                {
                    "video": videos[video],
                    "half": half,
                    "seed": seed,
                    "label": number,
                    "prediction": found,
                    "rank": rank + 1,
                    "class": class_names[number],
                    "predicted_class": class_names[found],
                }
                for video, number, found, rank in zip(*columns, strict=True)
            ]
        return rows

    # Fine-tuning on base classes.

    def on_fit_start(self) -> None:
        """Prepare the soft targets for the base classes."""
        self._base_tokens = self.tokenizer(prompts(self._class_names("base"), self.template)).to(self.device)
        self.mixer = ClipMixer(len(self._base_tokens), **self.mixing)

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """Cross-entropy with the (mixed, smoothed) labels, among the base classes; both towers learn."""
        if not len(batch.clips):  # every video of the batch was broken
            return nothing_to_learn(self)
        assert batch.label is not None  # videos of one class each
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
        return list(self.data.class_names[half])

    def _encode_halves(self) -> None:
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            self._class_features = [self.encode_classes(self._class_names(half)) for half in HALVES]


def _half_and_seed(pass_name: str) -> tuple[Half, int]:
    half, _, seed = pass_name.partition("-")
    return cast(Half, half), int(seed)
