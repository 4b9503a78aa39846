"""Base-to-novel generalisation: classify videos by the names of their classes, with names never trained on."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from datamodules.contract import BaseToNovelData
from datamodules.loading.batches import ViewBatch
from vidtldr.errors import UserError
from vidtldr.metrics import BaseToNovelAccuracy
from vidtldr.metrics.base_to_novel import HALVES, Half
from vidtldr.metrics.retrieval import retrieval_ranks
from vidtldr.models.checkpoint import Choice, Source, find_checkpoint
from vidtldr.models.pixels import PixelNorm, blank_input
from vidtldr.models.sizes import check_vocabulary
from vidtldr.models.vifi_clip import ClipTokenizer, ViFiCLIP, load_vifi_clip, prompts, vifi_clip_size
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of, number_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.storage.batch_store import BatchOutput
from vidtldr.tasks.base import Outcome
from vidtldr.tasks.fine_tuning.mixing import ClipMixer, MixedClassesTask
from vidtldr.tasks.passes import Outputs, Pass, Scores

PUBLISHED_SEEDS = 3


class BaseToNovel(MixedClassesTask[BaseToNovelData, ViewBatch]):
    """ViFi-CLIP on base-to-novel generalisation.

    A video competes among the class names of its own half only. With several checkpoints, one a seed, base and novel
    are means over them and the harmonic mean is that of these means.

    Args:
        backbone: Published size: ``vifi_clip_b16`` or ``vifi_clip_b32``.
        checkpoint: Weights: a published ViFi-CLIP file, an OpenAI or open_clip CLIP, or one exported by this project; a
            list of them for several seeds. None starts from random weights.
        weights: ``ema`` takes the averaged weights of a checkpoint that holds them beside the plain ones.
        token_embedding: The original CLIP file, whose table of token embeddings a published ViFi-CLIP file lacks.
        tokenizer: ``clip`` for CLIP's own byte-pair encoding, or a ``vocab.txt`` of words.
        template: Prompt around a class name, ``{}`` standing for the name; None takes the bare name, as the published
            row of zero-shot CLIP does.
        train_token_embedding: Train the table of token embeddings too, which starts random where there is no CLIP to
            start from; the published model keeps it fixed.
    """

    score_tables = (
        ScoreTable(
            {"base": "base classes", "novel": "novel classes", "hm": "HM"},
            compared="hm",
            group="accuracy",
            title="base to novel",
        ),
    )
    model: ViFiCLIP
    monitor = "val_base"
    betas = (0.9, 0.98)

    def __init__(
        self,
        backbone: str = "vifi_clip_b16",
        size: dict[str, Any] | None = None,
        num_frames: int = 32,
        image_size: int = 224,
        checkpoint: str | list[str] | None = None,
        weights: Choice = "plain",
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
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, warmup_steps=warmup_steps)
        self.num_frames, self.image_size = num_frames, image_size
        sizes = vifi_clip_size(backbone, size)
        if template is not None and "{}" not in template:
            raise UserError(f"template={template!r} has no {{}} where the class name goes")
        self.model = ViFiCLIP(sizes, image_size=image_size, drop_path=drop_path)
        self.pixel_norm = PixelNorm()
        self.template, self.token_embedding = template, token_embedding
        names = [checkpoint] if isinstance(checkpoint, str) else checkpoint or []
        self.checkpoints = [find_checkpoint(name, weights) for name in names]
        self.checkpoint_sha256 = [found.sha256() for found in self.checkpoints] or None
        self.num_seeds = max(1, len(self.checkpoints))
        self._seed = 0
        for seed in reversed(range(len(self.checkpoints))):  # all are read before time is spent on the first
            self._load(seed)
        self.tokenizer = ClipTokenizer(tokenizer, context_length=sizes.context_length)  # its errors are the rarer ones
        check_vocabulary(tokenizer, self.tokenizer.vocab_size, sizes.vocab_size)
        self._mixing = {"mixup": mixup, "cutmix": cutmix, "label_smoothing": label_smoothing}
        self.train_token_embedding = train_token_embedding
        self._class_features: list[Tensor] = []

    @property
    def score_note(self) -> str:
        """What the scores are."""
        prompt = "bare class names" if self.template is None else f"prompt '{self.template}'"
        return (
            "top-1 in percent, each half of the classes within its own names; HM = harmonic mean; "
            f"{self.num_seeds} of {PUBLISHED_SEEDS} seeds; {prompt}; GFLOPs = image tower, one clip"
        )

    def use_seed(self, seed: int) -> None:
        """Load the checkpoint of one seed, from 0, unless it is there already."""
        if seed != self._seed:
            self._load(seed)

    def _load(self, seed: int) -> None:
        self._seed = seed
        self._load_named(self.checkpoints[seed])

    def load_weights(self, path: Source) -> list[str]:
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
        return tuple(Pass(_pass_name(half, self._seed), f"{half} classes") for half in HALVES)

    def scored_passes(self, num_loaders: int) -> tuple[Pass, ...]:
        """Also those of the seeds before."""
        places = [(half, seed) for seed in range(self._seed + 1) for half in HALVES[:num_loaders]]
        return tuple(Pass(_pass_name(*place), "") for place in places)

    def on_test_start(self) -> None:
        """Encode the class names of both halves, once for all batches."""
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            self._class_features = [self.encode_classes(list(self.data.class_names[half])) for half in HALVES]

    on_validation_start = on_test_start

    def test_step(self, batch: ViewBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """Classify a batch of videos among the names of its half."""
        if not len(batch.clips):  # every video of the batch was broken
            return None
        logits = self.model.logits(self.encode_video(batch.clips), self._class_features[dataloader_idx])
        return {"logits": logits.float(), "label": batch.label}

    def score(self, outputs: Outputs) -> Scores:
        """``base``, ``novel`` and ``hm`` over the seeds so far; of a validation ``base`` alone."""
        accuracy = BaseToNovelAccuracy(self.num_seeds, sync_on_compute=False)
        classified = [
            (half, seed, output)
            for seed in range(self._seed + 1)
            for half in HALVES
            for output in outputs.get(_pass_name(half, seed), ())
            if "logits" in output
        ]
        for half, seed, output in classified:
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
        num_seeds = 1 + max(number_of(sample, "seed") for sample in samples)

        def hits(sample: Sample) -> dict[int, float]:
            return {HALVES.index(sample["half"]) * num_seeds + sample["seed"]: sample["rank"] == 1}

        return contributions_of(samples, hits, parts=len(HALVES) * num_seeds, combine="harmonic")

    def _samples(self, classified: Sequence[tuple[Half, int, BatchOutput]]) -> list[Sample]:
        """One row for each video under each seed."""
        rows: list[Sample] = []
        for half, seed, output in classified:
            videos, class_names = self.data.records[half].videos, self.data.class_names[half]
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
        self._base_tokens = self.tokenizer(prompts(list(self.data.class_names["base"]), self.template)).to(self.device)
        self.mixer = ClipMixer(len(self._base_tokens), **self._mixing)

    def class_logits(self, clips: Tensor) -> Tensor:
        """Logits among the base classes; both towers learn."""
        return self.model.logits(self.model.encode_video(clips), self.model.encode_text(self._base_tokens))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All but the table of token embeddings, which is fixed, as published."""
        self.model.token_embedding.requires_grad_(self.train_token_embedding)
        return super().parameter_groups()


def _pass_name(half: Half, seed: int) -> str:
    return f"{half}-{seed}"
