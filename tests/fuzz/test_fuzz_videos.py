"""Damaged videos become clips or broken items; where the decoder hangs or crashes, a guarded loader goes on."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.clips.decoder import Decoder
from datamodules.datasets.msvd import MSVD
from datamodules.loading.clip_datasets import ClipDataset, Item
from datamodules.loading.guarded_loader import GuardedLoader
from tests.fuzz.mutations import damaged
from tests.fuzz.outcomes import SECONDS, complaint_about
from tests.helpers.datasets import put_json
from tests.helpers.video import encode_video, numbered_frames

pytestmark = pytest.mark.slow
CONTAINERS = {
    "mp4": "libx264",
    "mkv": "libx264",
    "ts": "libx264",
    "avi": "mpeg4",
    "mov": "mpeg4",
    "wmv": "wmv2",
    "mpg": "mpeg2video",
    "flv": "flv",
}
NUM_CASES = 120
"""Of each container."""

NUM_FRAMES, IMAGE_SIZE = 4, 16
ABORTING = sorted((Path(__file__).parents[1] / "data" / "videos").glob("aborts_decoder.*"))
"""Found by fuzzing: decord 0.6 asks for more memory than there is, in a thread where nobody catches the exception."""


class AllErrors(ClipDataset):
    """Turns an error that is not declared into an item, so that it is known whose it is."""

    def __getitem__(self, index: int) -> Item:
        try:
            return super().__getitem__(index)
        except Exception as error:
            return Item(index, clip=None, broken=f"UNDECLARED {type(error).__name__}: {error}")


def _loaded(paths: list[Path], decoder: Decoder = "auto") -> Iterator[Item]:
    dataset = AllErrors(paths, NUM_FRAMES, IMAGE_SIZE, decoder=decoder)
    batches = [[position] for position in range(len(paths))]
    for items in GuardedLoader(dataset, batches, collate_fn=list, timeout=SECONDS, num_workers=1):
        yield from items


def _check(item: Item, path: Path, case: str) -> bool:
    """Whether the video was read; fails if it neither was nor is broken in one sentence."""
    if item.clip is not None:
        assert item.clip.shape == (NUM_FRAMES, 3, IMAGE_SIZE, IMAGE_SIZE), case
        assert item.clip.dtype == torch.uint8, case
        return True
    reason = item.broken or ""
    complaint = complaint_about(reason, [str(path)]) or (None if reason.startswith(f"{path}: ") else "undeclared")
    assert complaint is None, f"{case}: {complaint}: {reason[:300]!r}"
    return False


@pytest.mark.parametrize("container", CONTAINERS)
def test_damaged_videos(container: str, tmp_path: Path) -> None:
    whole = encode_video(
        tmp_path / f"whole.{container}",
        numbered_frames(12),
        codec=CONTAINERS[container],
        crf=20 if CONTAINERS[container] == "libx264" else None,
    )
    content = whole.read_bytes()
    paths = [whole]
    for seed in range(NUM_CASES):
        paths.append(tmp_path / f"seed{seed}.{container}")
        paths[-1].write_bytes(damaged(content, np.random.default_rng(seed)))
    read = [_check(item, path, path.name) for item, path in zip(_loaded(paths), paths, strict=True)]
    assert read[0], "the undamaged video is read"
    assert not all(read), "some damage is found"


def test_videos_that_abort_the_decoder_are_survived(tmp_path: Path) -> None:
    pytest.importorskip("decord")
    intact = encode_video(tmp_path / "intact.mp4", numbered_frames(12))
    paths = [intact, ABORTING[0], intact, ABORTING[1], intact]
    items = list(_loaded(paths, "decord"))
    for item, path in zip(items, paths, strict=True):
        assert _check(item, path, path.name) == (path == intact)


def test_videos_that_abort_decord_do_not_abort_the_default_decoder(tmp_path: Path) -> None:
    for item, path in zip(_loaded(ABORTING), ABORTING, strict=True):
        _check(item, path, path.name)
        assert "ended its process" not in (item.broken or "")
        assert "crashed" not in (item.broken or "")


def test_a_whole_dataset_with_damaged_videos(tmp_path: Path) -> None:
    """Through the datamodule: what is left out is named, and all else arrives."""
    folder = tmp_path / "videos"
    content = encode_video(folder / "clip0.mp4", numbered_frames(12, 64, 64)).read_bytes()
    for seed in range(1, 40):
        (folder / f"clip{seed}.mp4").write_bytes(damaged(content, np.random.default_rng(1000 + seed)))
    shutil.copy(ABORTING[0], folder / "clip40.mp4")
    records = [{"video": f"clip{number}.mp4", "caption": "a cat"} for number in range(41)]
    put_json(tmp_path / "msvd_ret_test.json", records)
    options = {"num_frames": NUM_FRAMES, "image_size": IMAGE_SIZE, "num_workers": 1, "decode_timeout": SECONDS}
    pytest.importorskip("decord")  # which a video of these aborts
    data = MSVD(str(tmp_path), batch_size=4, missing="skip", decoder="decord", **options)
    data.setup("test")
    clips, _ = data.test_dataloader()
    batches = [data.on_before_batch_transfer(batch, 0) for batch in clips]
    arrived = torch.cat([batch.index for batch in batches])
    assert data.coverage.evaluated == len(arrived) > 1
    assert sum(len(batch.clips) for batch in batches) == len(arrived)
    assert data.coverage.total == 41
    assert "clip40.mp4" in data.coverage.broken
    assert len(set(data.coverage.broken) | set(data.coverage.missing)) == 41 - len(arrived)
