"""Damaged annotations lead to records of the right shape or to one sentence that names the file."""

import json
from pathlib import Path

import numpy as np
import pytest

from datamodules.annotations.video_files import VideoFiles
from tests.fuzz.annotation_formats import FORMATS, Format, check
from tests.fuzz.mutations import damaged, damaged_json
from tests.fuzz.outcomes import names_in, outcome

pytestmark = pytest.mark.slow
NUM_CASES = 44
"""Of each format; half of those of a JSON file swap its fields, the others its bytes."""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> VideoFiles:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "a.mp4").write_bytes(bytes(2000))
    return VideoFiles(folder)


def _damage(example: Format, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = list(example.files)
    name = names[seed // 2 % len(names)]
    content = example.files[name]
    if isinstance(content, bytes):
        example.write(folder, name, damaged(content, rng))
    elif seed % 2:
        example.write(folder, name, json.dumps(damaged_json(content, rng)).encode())
    else:
        example.write(folder, name, damaged(json.dumps(content).encode(), rng))


@pytest.mark.parametrize("name", FORMATS)
def test_a_sound_example_is_read(name: str, tmp_path: Path, videos: VideoFiles) -> None:
    FORMATS[name].write(tmp_path)
    check(FORMATS[name].read(tmp_path), videos)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_annotations(name: str, tmp_path: Path, videos: VideoFiles) -> None:
    outcomes = set()
    for seed in range(NUM_CASES):
        _damage(FORMATS[name], tmp_path, seed)
        case = f"format {name!r}, seed {seed}"
        errors = (ValueError, FileNotFoundError)
        value = outcome(case, lambda: FORMATS[name].read(tmp_path), errors, names_in(tmp_path))
        if value is not None:
            check(value, videos)
        outcomes.add(value is None)
    assert True in outcomes, "no damage was ever refused"
