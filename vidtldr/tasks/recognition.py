"""Action recognition: classify clips, average over the views of a video; and the fine-tuning that goes with it."""

from collections.abc import Sequence
from typing import Any, cast

from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn

from datamodules.contract import RecognitionData
from datamodules.loading.batches import ViewBatch
from vidtldr.errors import UserError
from vidtldr.models.backbone import EncoderOptions
from vidtldr.models.checkpoint import Choice, Source, find_checkpoint, follow_classes
from vidtldr.models.pixels import PixelNorm
from vidtldr.models.registry import find_classifier
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample
from vidtldr.results.score_tables import ScoreTable
from vidtldr.tasks.base import Outcome
from vidtldr.tasks.fine_tuning.mixing import ClipMixer, MixedClassesTask
from vidtldr.tasks.passes import Outputs, Pass, Scores
from vidtldr.tasks.views import score_views, top1_contributions


class ActionRecognition(MixedClassesTask[RecognitionData, ViewBatch]):
    """VideoMAE, or a classifier of one's own, on action recognition.

    Args:
        backbone: Published size: ``videomae_s``, ``videomae_b``, ``videomae_l`` or ``videomae_h``; one of a user's own
            with the module that registers it, such as ``my_module.my_size``.
        num_classes: Classes of the data set.
        checkpoint: Weights: a file of VideoMAE or of this project, a folder of Hugging Face, or a model of its hub
            (``org/name``). None starts from random weights.
        weights: ``ema`` takes the averaged weights of a checkpoint that holds them beside the plain ones.
        checkpoint_frames: Frames of a clip in the checkpoint's training, where it does not tell itself; the position
            table is stretched if they are not ``num_frames``.
        checkpoint_image_size: Height and width of a frame in its training, likewise.
        new_head: Start with a fresh head, to fine-tune a pre-trained encoder or on other classes.
        layer_decay: Factor on the learning rate from each layer to the one below it.
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
        weights: Choice = "plain",
        checkpoint_frames: int | None = None,
        checkpoint_image_size: int | None = None,
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
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, warmup_steps=warmup_steps)
        self.num_frames, self.image_size = num_frames, image_size
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
        found = (
            None
            if checkpoint is None
            else find_checkpoint(checkpoint, weights, num_frames=checkpoint_frames, image_size=checkpoint_image_size)
        )
        self._start_from(found, new_head=new_head)
        self._checkpoint_name = str(found)
        self._checkpoint_classes = found.class_names if found and not new_head else None
        self.mixer = ClipMixer(num_classes, mixup=mixup, cutmix=cutmix, label_smoothing=label_smoothing)
        self.layer_decay = layer_decay

    def load_weights(self, path: Source, *, new_head: bool = False) -> list[str]:
        """Load a checkpoint; with ``new_head``, all but the head."""
        return self.family.load(self.model, path, new_head=new_head)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits ``[b, k]`` of uint8 clips ``[b, t, c, h, w]``."""
        return self.class_logits(self.pixel_norm(clips))

    def setup(self, stage: str) -> None:
        """Check that data and model have the same classes, by name if both tell; the head takes the data's order."""
        found = self.data.num_classes
        if found > self.num_classes:
            raise UserError(f"the data have {found} classes, the model {self.num_classes}: set --model.num_classes")
        if self._checkpoint_classes is not None:
            head, stored = cast(nn.Linear, self.model.head), self._checkpoint_classes
            self._checkpoint_classes = follow_classes(head, stored, self.data.class_names, self._checkpoint_name)

    # Evaluation.

    def test_step(self, batch: ViewBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """Classify a batch of views."""
        if not len(batch.clips):  # every video of the batch was broken
            return None
        return {"logits": self(batch.clips), "view": batch.view, "label": batch.label}

    def score(self, outputs: Outputs) -> Scores:
        """``top1`` and ``top5``; of as many views of each video as there are."""
        return score_views(outputs["views"], self.data.records, self.num_classes)

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to top-1."""
        return top1_contributions(samples)

    # Fine-tuning.

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Layer by layer; biases and norms without weight decay."""
        groups = param_groups_layer_decay(self.model, weight_decay=self.weight_decay, layer_decay=self.layer_decay)
        return list(groups)

    def class_logits(self, clips: Tensor) -> Tensor:
        """Logits of normalised clips ``[b, t, c, h, w]``, which the model takes as ``[b, c, t, h, w]``."""
        logits: Tensor = self.model(clips.transpose(1, 2).to(self.model.patch_embed.proj.weight.dtype))
        return logits
