from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.demo.sets.every import SETS
from datamodules.demo.sets.production import ensure
from datamodules.demo.sets.truth import KnownVideos
from datamodules.loading.clip_datasets import ClipDataset
from vidtldr.errors import UserError
from vidtldr.evidence.measurements import SCORES
from vidtldr.evidence.subjects import Subject, gather
from vidtldr.measuring.clip_grid import ClipGrid
from vidtldr.models.umt import UMTVisionEncoder

FRAMES, SIZE = 4, 48


@pytest.fixture
def subject(tmp_path) -> Subject:
    """An untrained UMT on three generated videos, one of which is cut off."""
    ensure(SETS["retrieval"], tmp_path, num_videos={"test": 3})
    paths = [tmp_path / SETS["retrieval"].video("test", index) for index in range(3)]
    paths[1].write_bytes(paths[1].read_bytes()[:2000])
    torch.manual_seed(0)
    encoder = UMTVisionEncoder(num_frames=FRAMES, image_size=SIZE, width=32, depth=2, num_heads=2).eval()
    return Subject(
        name="tiny",
        encoders={"untrained": encoder},
        grid=ClipGrid.of(encoder, FRAMES),
        frames_per_step=1,
        merging_layers=(0,),
        datasets=(ClipDataset(paths, FRAMES, SIZE),),
        known=KnownVideos.of(tmp_path),
    )


def test_several_lists_are_shown_by_turns(subject):
    short, long = (ClipDataset([Path(f"{number}.mp4") for number in range(size)], FRAMES, SIZE) for size in (1, 3))
    both = replace(subject, datasets=(short, long))
    assert both.videos(3) == [(short, 0), (long, 0), (long, 1)]
    assert both.videos(9) == [(short, 0), (long, 0), (long, 1), (long, 2)]


def test_a_broken_video_is_left_out_and_named(subject, caplog):
    done = []
    found = gather(subject, 3, seed=0, on_done=lambda: done.append(1))
    assert found.videos == ["demo_test_0000.mp4", "demo_test_0002.mp4"]
    assert len(done) == 3
    assert "demo_test_0001.mp4" in caplog.text
    assert len(found.foreground) == 2
    findings = found.findings["untrained"]
    assert tuple(findings) == SCORES
    assert all(finding.frame_auc.shape == (2, 2, FRAMES) for finding in findings.values())
    again = gather(subject, 3, seed=0, on_done=lambda: None).findings["untrained"]
    assert all(np.array_equal(again[score].shares, findings[score].shares) for score in SCORES)


def test_nothing_to_look_at_is_refused(subject):
    (dataset,) = subject.datasets
    broken = replace(subject, datasets=(ClipDataset([dataset.paths[1]], FRAMES, SIZE),))
    with pytest.raises(UserError, match="tiny: no video could be read"):
        gather(broken, 5, seed=0, on_done=lambda: None)


def test_a_video_that_was_not_generated_is_refused(subject):
    known = replace(subject.known, places={})
    with pytest.raises(UserError, match="is none of the 0 videos that were generated"):
        gather(replace(subject, known=known), 1, seed=0, on_done=lambda: None)
