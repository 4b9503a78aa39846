"""The models of a config, trained and untrained, on generated videos whose objects are known."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Any

import numpy as np
from lightning import seed_everything
from timm.models.vision_transformer import VisionTransformer

from datamodules.demo.sets.truth import KnownVideos
from datamodules.loading.clip_datasets import ClipDataset
from datamodules.loading.sharding import Sharing
from vidtldr.cli.entry import user_errors
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.errors import UserError
from vidtldr.evaluation.methods import build_methods
from vidtldr.evidence.measurements import SCORES, Finding, Foreground, find, scores_of
from vidtldr.evidence.truth import token_cover
from vidtldr.measuring.clip_grid import ClipGrid

_log = logging.getLogger(__name__)

TRAINED, UNTRAINED = "trained", "untrained"


@dataclass(frozen=True)
class Subject:
    """A config's vision encoders and the videos that they are shown.

    Attributes:
        name: Of the config.
        encoders: By ``trained`` and ``untrained``, in eval mode; the same but for their weights.
        grid: Tokens of a clip.
        frames_per_step: Frames of a tubelet.
        merging_layers: Indices of the layers in which the config's vid-TLDR merges; all layers if it has none.
        datasets: They bring the clips, as in a test.
        known: What the generator knows.
    """

    name: str
    encoders: dict[str, VisionTransformer]
    grid: ClipGrid
    frames_per_step: int
    merging_layers: tuple[int, ...]
    datasets: tuple[ClipDataset, ...]
    known: KnownVideos

    @classmethod
    def of_config(cls, name: str, overrides: Sequence[str], *, seed: int) -> "Subject":
        """Build what a config names.

        Args:
            name: Of the config.
            overrides: Options of ``eval.py`` beside it.
            seed: Of the untrained weights.

        Raises:
            UserError: Something in it is wrong, or its videos are not generated ones.
        """
        cli = EvalCLI(["--config", name, *overrides])
        data: Any = cli.build_data("test")
        with user_errors(ValueError):
            known = KnownVideos.of(data.root)
        encoders = {}
        if cli.init_args("model").get("checkpoint") is not None:
            encoders[TRAINED] = _encoder(cli)
            cli.init_args("model")["checkpoint"] = None
        seed_everything(seed, verbose=False)
        encoders[UNTRAINED] = _encoder(cli)
        loaders = data.evaluation_loaders(Sharing())
        datasets = tuple(loader.dataset for loader in loaders if isinstance(loader.dataset, ClipDataset))
        grid = ClipGrid.of(encoders[UNTRAINED], data.num_frames)
        return cls(
            name=cli.config_name,
            encoders=encoders,
            grid=grid,
            frames_per_step=data.num_frames // grid.steps,
            merging_layers=_merging_layers(cli, len(encoders[UNTRAINED].blocks)),
            datasets=datasets,
            known=known,
        )

    @property
    def num_layers(self) -> int:
        """Layers of an encoder."""
        return len(self.encoders[UNTRAINED].blocks)

    def videos(self, count: int) -> list[tuple[ClipDataset, int]]:
        """The first videos, of several data sets by turns: the generated ones show all classes by turns."""
        each = ([(dataset, index) for index in range(len(dataset))] for dataset in self.datasets)
        turns = chain.from_iterable(zip_longest(*each))
        return list(islice((place for place in turns if place is not None), count))


@dataclass(frozen=True)
class Evidence:
    """What was found on the videos of a subject.

    Attributes:
        subject: The subject.
        videos: Names of the videos.
        foreground: The truth about each.
        findings: By weights, then by score, of all videos.
    """

    subject: Subject
    videos: list[str]
    foreground: list[Foreground]
    findings: dict[str, dict[str, Finding]]


def gather(subject: Subject, count: int, *, seed: int, on_done: Callable[[], None]) -> Evidence:
    """Compare all scores of all encoders with the truth.

    Args:
        subject: What is looked at.
        count: Videos, at most.
        seed: Of the random score.
        on_done: Called after each video.

    Raises:
        UserError: No video can be read, or one was not generated.
    """
    videos, foreground = [], []
    found: dict[str, dict[str, list[Finding]]] = {
        weights: {score: [] for score in SCORES} for weights in subject.encoders
    }
    for number, (dataset, index) in enumerate(subject.videos(count)):
        item = dataset[index]
        if item.clip is None:
            _log.warning("left out: %s", item.broken)
        else:
            clips = item.clip if item.clip.dim() == 5 else item.clip.unsqueeze(0)
            path = dataset.paths[index]
            with user_errors(ValueError):
                cover = token_cover(dataset, subject.known.cover(path), subject.grid)
            videos.append(path.name)
            foreground.append(Foreground.of(cover))
            for weights, encoder in subject.encoders.items():
                scored = scores_of(encoder, clips, np.random.default_rng([seed, number]))
                for score, values in scored.items():
                    found[weights][score].append(find(values, cover, subject.grid, subject.num_layers))
        on_done()
    if not videos:
        raise UserError(f"{subject.name}: no video could be read")
    findings = {
        weights: {score: Finding.of_videos(each) for score, each in by_score.items()}
        for weights, by_score in found.items()
    }
    return Evidence(subject, videos, foreground, findings)


def _encoder(cli: EvalCLI) -> VisionTransformer:
    task: Any = cli.build_model()
    encoder: VisionTransformer = task.vision_encoder
    return encoder.eval().to(cli.make_trainer(False, []).strategy.root_device)


def _merging_layers(cli: EvalCLI, depth: int) -> tuple[int, ...]:
    methods = build_methods(cli.config.methods, cli.config.only).values()
    rates: Iterator[Sequence[Any]] = (method.schedule(depth) for method in methods if method.name == "vidtldr")
    with user_errors(ValueError):
        chosen = [layer for layer, rate in enumerate(next(rates, ())) if rate > 0]
    return tuple(chosen or range(depth))
