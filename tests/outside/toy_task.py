"""A task from outside the package: which of two halves of the frame is brighter, told by a small ViT."""

from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from timm.models import VisionTransformer
from torch import Tensor

from datamodules.loading.batches import ViewBatch
from datamodules.recognition import RecognitionDataModule
from vidtldr.models.checkpoint import read_state_dict
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.tasks.base import Outcome, Task
from vidtldr.tasks.passes import Outputs, Pass, Scores


class FirstFrame(Task[RecognitionDataModule, ViewBatch]):
    """Classify the first frame of each clip.

    Args:
        num_classes: Classes of the data.
    """

    passes = (Pass("frames", "look at first frames"),)
    score_tables = (ScoreTable({"right": "right"}, compared="right", group="accuracy", title="first frame"),)
    score_note = "videos in percent whose first frame is told right"
    monitor = "val_right"

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.model = timm.create_model(
            "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2,
            num_classes=num_classes,
        )  # fmt: skip

    @property
    def vision_encoder(self) -> VisionTransformer:
        """The whole model."""
        return self.model

    def load_weights(self, path: str | Path) -> list[str]:
        """A state dict of this model."""
        self.model.load_state_dict(read_state_dict(path))
        return []

    def example_clip(self) -> Tensor:
        """One frame."""
        return torch.zeros(1, 3, 32, 32)

    def test_step(self, batch: ViewBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """Logits of the first frames."""
        if not len(batch.clips):
            return None
        return {"found": self.model(batch.clips[:, 0].float() / 255).argmax(dim=1), "label": batch.label}

    def score(self, outputs: Outputs) -> Scores:
        """The share that is right."""
        frames = [output for output in outputs["frames"] if "found" in output]
        right = torch.cat([output["found"] == output["label"] for output in frames])
        names = [self.data.evaluated.videos[row] for output in frames for row in output["index"].tolist()]
        rows: list[Sample] = [{"video": name, "right": hit} for name, hit in zip(names, right.tolist(), strict=True)]
        return Scores({"right": 100 * right.double().mean()}, lambda: rows)

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds."""
        return contributions_of(samples, lambda sample: {0: sample["right"]}, parts=1)
