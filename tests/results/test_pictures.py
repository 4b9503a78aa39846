"""The pictures that a run leaves, and the list of them."""

import json

import numpy as np
import pytest
from PIL import Image

from vidtldr.results.choice import Chosen
from vidtldr.results.pictures import Album, ClipTrace

FRAMES = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
APART = np.arange(16).reshape(2, 2, 4)
"""Two steps of 2 x 4 patches, each a token of its own."""


def trace(owner: np.ndarray, num_tokens: int) -> ClipTrace:
    return ClipTrace(owner, (owner >= 0).astype(np.float32), num_tokens)


@pytest.fixture
def album(tmp_path) -> Album:
    album = Album(tmp_path / "pictures", [Chosen("q7", "a.mp4"), Chosen(3, "b.mp4")])
    for number in range(2):
        album.draw(number, "base", FRAMES, trace(APART, 16))
        album.draw(number, "tome", FRAMES, trace(APART // 2, 8))
    album.write_index()
    return album


def test_the_index_lists_files_that_are_there(album) -> None:
    entries = json.loads((album.folder / "index.json").read_text())
    assert [(each["sample"], each["video"]) for each in entries] == [("q7", "a.mp4"), (3, "b.mp4")]
    for number, entry in enumerate(entries, start=1):
        assert list(entry["methods"]) == ["base", "tome"]
        for method, files in entry["methods"].items():
            assert files == {kind: f"{number:04}_{method}.{kind}" for kind in ("png", "mp4")}
            assert all((album.folder / name).stat().st_size > 500 for name in files.values())


def test_what_merged_stands_below_the_frames_and_base_has_frames_alone(album) -> None:
    base, tome = (Image.open(album.folder / f"0001_{name}.png") for name in ("base", "tome"))
    assert base.width == tome.width
    assert tome.height > 1.7 * base.height
    moving = Image.open(album.drawn[0, "tome"].gif)
    assert moving.n_frames == len(FRAMES)
    assert moving.width > 2 * Image.open(album.drawn[0, "base"].gif).width  # beside the frames


@pytest.mark.parametrize(
    ("owner", "num_tokens", "reduced"),
    [
        (APART, 16, False),
        (APART, 18, False),  # with prefix tokens
        (np.where(APART == 3, 2, APART), 17, True),  # one merged; two prefix tokens
        (np.where(APART == 3, -1, APART), 15, True),  # one dropped
    ],
)
def test_a_clip_is_reduced_if_a_patch_lost_its_own_token(owner, num_tokens, reduced) -> None:
    assert trace(owner, num_tokens).reduced is reduced


def test_a_clip_of_another_method_is_not_listed_with_it(album) -> None:
    assert [number for number, _ in album.of_method("tome")] == [0, 1]
    assert album.of_method("vidtldr") == []
