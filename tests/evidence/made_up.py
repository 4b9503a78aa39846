"""Evidence made up by hand, without a model or videos."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from datamodules.demo.sets.recognition import RECOGNITION
from datamodules.demo.sets.truth import KnownVideos
from vidtldr.evidence.measurements import SCORES, Finding, Foreground
from vidtldr.evidence.subjects import Evidence, Subject
from vidtldr.measuring.clip_grid import ClipGrid

LAYERS, STEPS = 3, 2
QUALITY = {"saliency": 0.8, "attentiveness": 0.6, "rollout": 0.7, "random": 0.5}


def finding(quality: float, videos: int, seed: int) -> Finding:
    """A score whose mean AUC is ``quality`` in the first layer and falls by a tenth in each further one."""
    noise = np.random.default_rng(seed).normal(0, 0.02, (videos, LAYERS))
    auc = quality - 0.1 * np.arange(LAYERS) + noise - noise.mean(axis=0)
    by_frame = np.stack([auc, auc - 0.1], axis=-1)
    shares = np.full((videos, LAYERS, STEPS), 0.5) + np.array([0.1, -0.1]) * (quality - 0.5)
    return Finding(auc=auc, iou=auc / 2, frame_auc=by_frame, frame_iou=by_frame / 2, shares=shares)


def evidence(name: str = "made_up", weights: tuple[str, ...] = ("trained", "untrained"), videos: int = 8) -> Evidence:
    """Trained scores are as good as :data:`QUALITY` says, untrained ones know nothing."""
    subject = Subject(
        name=name,
        encoders={each: SimpleNamespace(blocks=[None] * LAYERS) for each in weights},
        grid=ClipGrid(STEPS, 3, 3),
        frames_per_step=1,
        merging_layers=(0, 1),
        datasets=(),
        known=KnownVideos(Path(), RECOGNITION, {}),
    )
    findings = {
        each: {
            score: finding(QUALITY[score] if each == "trained" else 0.5, videos, seed)
            for seed, score in enumerate(SCORES)
        }
        for each in weights
    }
    truth = [Foreground(0.2, np.array([0.4, 0.6])) for _ in range(videos)]
    return Evidence(subject, [f"{number}.mp4" for number in range(videos)], truth, findings)
