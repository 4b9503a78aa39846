"""Zero-shot recognition: classify videos by the names of the classes, with a pair of towers that never saw them."""

import re
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.contract import RecognitionData
from datamodules.loading.batches import ViewBatch
from vidtldr.errors import UserError
from vidtldr.models.checkpoint import Choice
from vidtldr.models.vifi_clip import prompts
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample
from vidtldr.results.score_tables import ScoreTable
from vidtldr.tasks.base import Outcome
from vidtldr.tasks.passes import Outputs, Pass, Scores
from vidtldr.tasks.towers import TowerTask
from vidtldr.tasks.views import score_views, top1_contributions

_JOINED = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+")  # where a new word begins

TEMPLATE = "a video of a person {}."
"""One of the prompts that CLIP's authors published for UCF101."""


class ZeroShotRecognition(TowerTask[RecognitionData, ViewBatch]):
    """A pair of towers on action recognition, without training: a video is of the class whose name is nearest.

    Args:
        templates: Prompts around the name of a class, ``{}`` standing for the name. Of several, the mean of the
            features counts, each brought to length 1, as in CLIP's ensembles. None takes the bare name.
        spell_out: Write names such as ``ApplyEyeMakeup`` or ``apply_eye_makeup`` as words before they are put in.
    """

    score_tables = (
        ScoreTable({"top1": "top-1", "top5": "top-5"}, compared="top1", group="accuracy", title="zero-shot accuracy"),
    )
    passes = (Pass("views", "classify videos"),)
    monitor = "val_top1"

    def __init__(
        self,
        backbone: str = "auto",
        size: dict[str, Any] | None = None,
        num_frames: int = 8,
        image_size: int = 224,
        checkpoint: str | None = None,
        weights: Choice = "plain",
        tokenizer: str | None = None,
        templates: list[str] | None = [TEMPLATE],  # noqa: B006  # never changed; --help shows it
        spell_out: bool = True,
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
        if templates is not None and not templates:
            raise UserError("templates=[] holds no prompt: give one, or null for the bare names")
        self.templates: list[str | None] = [None] if templates is None else list(templates)
        self.spell_out = spell_out
        for template in self.templates:
            prompts([], template)  # says what is wrong with it
        self._class_features: Tensor | None = None

    @property
    def score_note(self) -> str:
        """What the scores are."""
        first = self.templates[0]
        prompt = "bare class names" if first is None else f"prompt '{first}'"
        prompt += f" and {len(self.templates) - 1} more" if len(self.templates) > 1 else ""
        return (
            "accuracy in percent over videos: softmax of each view, mean over views; "
            f"{prompt}; GFLOPs = image tower, all frames of one clip (one view)"
        )

    def encode_classes(self, names: Sequence[str]) -> Tensor:
        """Features of class names in the prompts, ``[k, e]``, length 1."""
        names = [spelt_out(name) for name in names] if self.spell_out else list(names)
        features = [self.encode_texts(prompts(names, template)) for template in self.templates]
        return features[0] if len(features) == 1 else F.normalize(torch.stack(features).mean(dim=0), dim=-1)

    def setup(self, stage: str) -> None:
        """Check that the data name their classes."""
        names = self.data.class_names
        if names is None or len(names) < self.data.num_classes:
            raise UserError("zero-shot recognition needs the names of the classes, which these data do not tell")

    def on_test_start(self) -> None:
        """Encode the names of the classes, once for all batches."""
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            self._class_features = self.encode_classes(self.data.class_names or ())

    on_validation_start = on_test_start

    def test_step(self, batch: ViewBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """Compare a batch of views with the classes."""
        if not len(batch.clips):  # every video of the batch was broken
            return None
        assert self._class_features is not None  # a test has started
        logits = self.model.logits(self.encode_video(batch.clips), self._class_features)
        return {"logits": logits.float(), "view": batch.view, "label": batch.label}

    def score(self, outputs: Outputs) -> Scores:
        """``top1`` and ``top5``; of as many views of each video as there are."""
        return score_views(outputs["views"], self.data.records, len(self.data.class_names or ()))

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to top-1."""
        return top1_contributions(samples)


def spelt_out(name: str) -> str:
    """A class name as words: joined ones are parted, and capitals of words that are not all capitals made small.

    >>> spelt_out("ApplyEyeMakeup"), spelt_out("apply_eye_makeup"), spelt_out("TaiChi"), spelt_out("riding a bike")
    ('apply eye makeup', 'apply eye makeup', 'tai chi', 'riding a bike')
    """
    words = [word for part in name.split() for word in _JOINED.split(part) if word]
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)
