"""Pictures of the samples that methods differ most in: a second, small pass when all methods are through."""

from collections.abc import Mapping
from contextlib import closing
from functools import partial

import torch

from callbacks import ProgressCallback
from callbacks.pictures import follow_clips
from datamodules.contract import EvaluationData
from vidtldr.errors import UserError
from vidtldr.evaluation.one_method import Subject
from vidtldr.measuring.frame_shares import MeanFrameShares
from vidtldr.measuring.shown_clips import Clip, TestSet
from vidtldr.merging import Method
from vidtldr.results.pictures import Album
from vidtldr.tasks.base import AnyTask


def check_pictures_fit(task: AnyTask, data: EvaluationData) -> None:
    """Look whether there will be something to draw, before time is spent on an evaluation.

    Raises:
        UserError: The encoder does not say what it takes, or the data do not name their videos.
    """
    encoder = task.vision_encoder
    if not hasattr(encoder, "input_shape"):
        raise UserError(f"--pictures: {type(encoder).__name__} has no input_shape that tells how it takes a clip")
    if not any(TestSet(data).names):
        raise UserError("--pictures: the data name no videos")


def draw_pictures(album: Album, subject: Subject, methods: Mapping[str, Method]) -> dict[str, tuple[float, ...]]:
    """Draw the chosen samples under each method, by the model of the first seed.

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
    subject.task.use_seed(0)
    shares = {name: _draw(album, clips, subject, name, method) for name, method in methods.items()}
    if subject.processes.is_first:
        album.write_index()
    return shares


def _draw(album: Album, clips: list[Clip], subject: Subject, name: str, method: Method) -> tuple[float, ...]:
    encoder, shares = subject.task.vision_encoder, MeanFrameShares()
    with closing(ProgressCallback(name, ("look at clips",))) as progress:
        make_trainer = partial(subject.make_trainer, False)
        traces = follow_clips(encoder, [clip.pixels for clip in clips], method, make_trainer, progress)
        progress.on_stage_start("draw pictures", len(clips))
        for number, (clip, trace) in enumerate(zip(clips, traces, strict=True)):
            shares.update(torch.from_numpy(trace.share).unsqueeze(0))
            if subject.processes.is_first:
                album.draw(number, name, clip.frames, trace)
            progress.on_stage_advance()
        progress.on_stage_end()
    return tuple(shares.compute())
