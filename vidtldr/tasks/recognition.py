"""Action recognition: classify clips, average over the views of a video; and the fine-tuning that goes with it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_layer_decay
from torch import Tensor

from datamodules.annotations.records import RecognitionRecords
from datamodules.contract import RecognitionData
from datamodules.loading.batches import ClipBatch, ViewBatch
from vidtldr.errors import UserError
from vidtldr.metrics import MultiViewAccuracy
from vidtldr.models.backbone import EncoderOptions
from vidtldr.models.pixels import PixelNorm
from vidtldr.models.registry import find_classifier
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.tasks.base import Outcome, Task
from vidtldr.tasks.fine_tuning.mixing import ClipMixer
from vidtldr.tasks.fine_tuning.optimization import adamw_with_cosine, nothing_to_learn
from vidtldr.tasks.passes import Outputs, Pass, Scores


class ActionRecognition(Task[RecognitionData, ViewBatch]):
    """VideoMAE, or a classifier of one's own, on action recognition.

    Args:
        backbone: Published size: ``videomae_s``, ``videomae_b``, ``videomae_l`` or ``videomae_h``; one of a user's own
            with the module that registers it, such as ``my_module.my_size``.
        size: Single sizes that differ from the published ones, such as ``{depth: 6}``.
        num_classes: Classes of the data set.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        checkpoint: Weights: a published VideoMAE file, one of Hugging Face, or one exported by this project. None
            starts from random weights.
        new_head: Start with a fresh head, to fine-tune a pre-trained encoder or on other classes.
        learning_rate: Peak learning rate.
        weight_decay: AdamW's, on matrices only.
        warmup_steps: Steps over which the learning rate rises, before it falls along a cosine.
        layer_decay: Factor on the learning rate from each layer to the one below it.
        mixup: Alpha of mixup; 0 for none.
        cutmix: Alpha of cutmix; 0 for none.
        label_smoothing: Share of the target that is spread over all classes.
        drop_path: Stochastic depth while training.
        head_dropout: Dropout before the head while training.
    """

    score_tables = (
        ScoreTable({"top1": "top-1", "top5": "top-5"}, compared="top1", group="accuracy", title="accuracy"),
    )
    score_note = (
        "accuracy in percent over videos: softmax of each view, mean over views; GFLOPs = vision encoder and head, "
        "one clip (one view)"
    )
    passes = (Pass("views", "classify videos"),)
    model: VisionTransformer
    monitor = "val_top1"

    def __init__(
        self,
        backbone: str = "videomae_b",
        size: dict[str, Any] | None = None,
        num_classes: int = 101,
        num_frames: int = 16,
        image_size: int = 224,
        checkpoint: str | None = None,
        new_head: bool = False,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.05,
        warmup_steps: int = 500,
        layer_decay: float = 0.75,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        label_smoothing: float = 0.1,
        drop_path: float = 0.1,
        head_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.num_classes = num_classes
        self.family, of_size = find_classifier(backbone, size)
        options = EncoderOptions(
            num_classes=num_classes,
            num_frames=num_frames,
            image_size=image_size,
            drop_path=drop_path,
            head_dropout=head_dropout,
        )
        self.model = self.family.build(of_size, options)
        self.pixel_norm = PixelNorm()
        self._start_from(checkpoint, new_head=new_head)
        self.mixer = ClipMixer(num_classes, mixup=mixup, cutmix=cutmix, label_smoothing=label_smoothing)
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup_steps, self.layer_decay = warmup_steps, layer_decay

    @property
    def vision_encoder(self) -> VisionTransformer:
        """The ViT that token merging is put on."""
        return self.model

    def load_weights(self, path: str | Path, *, new_head: bool = False) -> list[str]:
        """Load a checkpoint; with ``new_head``, all but the head."""
        return self.family.load(self.model, path, new_head=new_head)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits ``[b, k]`` of uint8 clips ``[b, t, c, h, w]``."""
        return self._classify(self.pixel_norm(clips))

    def setup(self, stage: str) -> None:
        """Check that data and model have the same classes, before anything is computed."""
        found = self.data.num_classes
        if found > self.num_classes:
            raise UserError(f"the data have {found} classes, the model {self.num_classes}: set --model.num_classes")

    # Evaluation.

    def test_step(self, batch: ViewBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """Classify a batch of views."""
        if not len(batch.clips):  # every video of the batch was broken
            return None
        return {"logits": self(batch.clips), "view": batch.view, "label": batch.label}

    def score(self, outputs: Outputs) -> Scores:
        """``top1`` and ``top5``; of as many views of each video as there are."""
        classified = [output for output in outputs["views"] if "logits" in output]
        if not classified:
            raise UserError("nothing is left to evaluate: no video could be read")
        num_videos = len(self.data.records.videos)
        num_views = 1 + max(int(output["view"].max()) for output in classified)
        accuracy = MultiViewAccuracy(num_videos, self.num_classes, num_views, sync_on_compute=False)
        for output in classified:
            accuracy.update(output["logits"], video=output["index"], view=output["view"], label=output["label"])
        return Scores(accuracy.compute(), partial(_samples, accuracy, self.data.records))

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to top-1."""
        return contributions_of(samples, lambda sample: {0: sample["rank"] == 1}, parts=1)

    # Fine-tuning.

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """Cross-entropy with the (mixed, smoothed) labels of a batch."""
        if not len(batch.clips):  # every video of the batch was broken
            return nothing_to_learn(self)
        assert batch.label is not None  # videos of one class each
        clips, targets = self.mixer(self.pixel_norm(batch.clips), batch.label)
        loss = F.cross_entropy(self._classify(clips).float(), targets)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(clips))
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with layer decay; no weight decay on biases and norms; warm-up, then a cosine."""
        groups = param_groups_layer_decay(self.model, weight_decay=self.weight_decay, layer_decay=self.layer_decay)
        return adamw_with_cosine(self, groups, learning_rate=self.learning_rate, warmup_steps=self.warmup_steps)

    def _classify(self, clips: Tensor) -> Tensor:
        """Logits of normalised clips ``[b, t, c, h, w]``, which the model takes as ``[b, c, t, h, w]``."""
        logits: Tensor = self.model(clips.transpose(1, 2).to(self.model.patch_embed.proj.weight.dtype))
        return logits


def _samples(accuracy: MultiViewAccuracy, records: RecognitionRecords) -> list[Sample]:
    """One row for each video: its class, the five likeliest, the rank of its class from 1; names if there are any."""
    names = records.class_names if len(records.class_names or ()) >= accuracy.num_classes else None
    evaluated = (accuracy.views > 0).nonzero().squeeze(1)
    likeliest = accuracy.scores()[evaluated].topk(min(5, accuracy.num_classes))
    columns = (evaluated, accuracy.labels[evaluated], accuracy.ranks(), likeliest.indices, likeliest.values)
    return [
        {
            "video": records.videos[video],
            "label": label,
            "prediction": classes[0],
            "rank": rank + 1,
            "likeliest": classes,
            "probabilities": probabilities,
            **({"class": names[label], "predicted_class": names[classes[0]]} if names else {}),
        }
        for video, label, rank, classes, probabilities in zip(*(column.tolist() for column in columns), strict=True)
    ]
