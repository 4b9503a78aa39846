"""Pictures of the samples that methods differ most in: a second, small pass when all methods are through."""

import warnings
from collections.abc import Mapping

import numpy as np
import torch
from lightning import LightningModule
from timm.models import VisionTransformer
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks import ProgressCallback, TokenMergeCallback
from callbacks.pictures import TraceCallback
from datamodules.contract import EvaluationData
from vidtldr.errors import UserError
from vidtldr.evaluation.one_method import Subject
from vidtldr.measuring.clip_grid import encoder_input
from vidtldr.measuring.frame_shares import MeanFrameShares
from vidtldr.measuring.test_clips import Clip, TestSet
from vidtldr.merging import Method
from vidtldr.results.pictures import Album, ClipTrace
from vidtldr.tasks.base import AnyTask


class _EncoderAlone(LightningModule):
    """A vision encoder that looks at clips."""

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        self.vision_encoder = encoder

    def predict_step(self, clip: Tensor, batch_idx: int) -> Tensor:
        """Encode a clip, ``[1, t, c, h, w]`` uint8."""
        encoded: Tensor = self.vision_encoder(encoder_input(self.vision_encoder, clip))
        return encoded


def check_pictures_fit(task: AnyTask, data: EvaluationData) -> None:
    """Look whether there will be something to draw, before time is spent on an evaluation.

    Raises:
        UserError: The encoder does not say what it takes, or the data do not name their videos.
    """
    encoder = task.vision_encoder
    if not hasattr(encoder, "input_shape"):
        raise UserError(f"--pictures: {type(encoder).__name__} has no input_shape that tells how it takes a clip")
    if not any(TestSet(data).names):
        raise UserError("--pictures: the data have no videos")


def draw_pictures(album: Album, subject: Subject, methods: Mapping[str, Method]) -> dict[str, tuple[float, ...]]:
    """Draw the chosen samples under each method.

    Every process looks at the clips, since a Trainer waits for all of them; the first one draws.

    Args:
        album: Says which; filled here.
        subject: Model and data.
        methods: By name.

    Returns:
        For each method the share of each frame in what it keeps, mean over these clips.
    """
    test_set = TestSet(subject.data)
    clips = [test_set.named(chosen.video) for chosen in album.chosen]
    shares = {name: _draw(album, clips, subject, name, method) for name, method in methods.items()}
    if subject.processes.is_first:
        album.write_index()
    return shares


def _draw(album: Album, clips: list[Clip], subject: Subject, name: str, method: Method) -> tuple[float, ...]:
    shares, left = MeanFrameShares(), iter(enumerate(clips))

    def take(trace: ClipTrace) -> None:
        shares.update(torch.from_numpy(trace.share).unsqueeze(0))
        number, clip = next(left)
        if subject.processes.is_first:
            album.draw(number, name, np.ascontiguousarray(clip.frames), trace)

    traces = TraceCallback(len(clips[0].pixels), take)
    merging, progress = TokenMergeCallback(method, observer=traces.observe), ProgressCallback(name, ("draw pictures",))
    trainer = subject.make_trainer(False, [merging, traces, progress])
    loader: DataLoader[Tensor] = DataLoader([clip.pixels for clip in clips])  # type: ignore[arg-type]  # a list will do
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say of a schedule was said in the evaluation
        trainer.predict(_EncoderAlone(subject.task.vision_encoder), loader, return_predictions=False)
    return tuple(shares.compute())
