"""Clips of other frame counts and sizes than a checkpoint's: tables are stretched, and the same size is left alone."""

from pathlib import Path

import open_clip
import pytest
import torch
from torch import Tensor, nn

from tests.helpers.vifi_clip import SIZE, openai_entries
from vidtldr.errors import UserError
from vidtldr.models.checkpoint import find_checkpoint, save_weights
from vidtldr.models.positions import Grid, sinusoid_table, stretch
from vidtldr.models.videomae import VideoMAE, VideoMAESize, load_videomae
from vidtldr.models.vifi_clip import ViFiCLIP, load_vifi_clip

_SIZE = VideoMAESize(width=16, depth=1, num_heads=2)


def _model(num_frames: int = 8, image_size: int = 64) -> VideoMAE:
    return VideoMAE(_SIZE, num_classes=3, num_frames=num_frames, image_size=image_size)


def _cubic_weights(position: float, count: int) -> Tensor:
    """What each of ``count`` samples adds to the value at a position: Keys' kernel with a = -0.75, ends repeated."""
    weights = torch.zeros(count)
    first = int(torch.tensor(position).floor()) - 1
    for sample in range(first, first + 4):
        x, a = abs(position - sample), -0.75
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        weights[min(max(sample, 0), count - 1)] += near if x <= 1 else a * (x**3 - 5 * x**2 + 8 * x - 4)
    return weights


def test_a_table_is_stretched_as_a_slow_loop_stretches_it() -> None:
    old, new = Grid(2, 3, 4), Grid(3, 5, 6)
    table = torch.randn(1, 24, 7, generator=torch.Generator().manual_seed(0))
    found = stretch(table, old, new).view(*new, 7)
    frames = table.view(*old, 7)
    for t in range(new.time):
        at = min(max((t + 0.5) * old.time / new.time - 0.5, 0), old.time - 1)
        frame = frames[int(at)] * (1 - at % 1) + frames[min(int(at) + 1, old.time - 1)] * (at % 1)
        for y in range(new.height):
            row = _cubic_weights((y + 0.5) * old.height / new.height - 0.5, old.height)
            for x in range(new.width):
                column = _cubic_weights((x + 0.5) * old.width / new.width - 0.5, old.width)
                expected = torch.einsum("h,w,hwd->d", row, column, frame)
                torch.testing.assert_close(found[t, y, x], expected, atol=1e-5, rtol=0)
    assert stretch(table, old, old) is table


@pytest.mark.parametrize(
    ("trained", "note"), [((8, 64), ""), ((4, 64), "2x4x4"), ((8, 32), "4x2x2"), ((4, 96), "2x6x6")]
)
def test_a_fixed_table_is_that_of_the_training(
    trained: tuple[int, int], note: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_weights(_model(*trained), tmp_path / "told.safetensors")  # it tells what it was trained on
    torch.save(_model(*trained).state_dict(), tmp_path / "bare.pth")
    for checkpoint in (
        find_checkpoint(tmp_path / "told.safetensors"),
        find_checkpoint(tmp_path / "bare.pth", num_frames=trained[0], image_size=trained[1]),
    ):
        caplog.clear()
        model = _model()
        untouched = model.positions.clone()
        load_videomae(model, checkpoint)
        assert bool(note) == bool(caplog.text)
        if not note:
            assert torch.equal(model.positions, untouched)
            continue
        assert f"{checkpoint}: its position table was stretched from {note} tokens to 4x4x4" in caplog.text
        old = Grid(trained[0] // 2, trained[1] // 16, trained[1] // 16)
        expected = stretch(sinusoid_table(old.time * old.height * old.width, 16), old, Grid(4, 4, 4))
        assert torch.equal(model.positions, expected)
        assert torch.isfinite(model(torch.randn(1, 3, 8, 64, 64))).all()


def test_a_file_that_does_not_tell_leaves_the_table_alone(tmp_path: Path) -> None:
    torch.save(_model(4, 32).state_dict(), tmp_path / "bare.pth")
    model = _model()
    load_videomae(model, tmp_path / "bare.pth")
    assert torch.equal(model.positions, sinusoid_table(64, 16))


def test_what_was_trained_on_a_stretched_table_is_stretched_in_the_same_way_again(tmp_path: Path) -> None:
    save_weights(_model(4, 32), tmp_path / "first.safetensors")
    tuned = _model()
    load_videomae(tuned, tmp_path / "first.safetensors")
    save_weights(tuned, tmp_path / "second.safetensors")
    again = _model()
    load_videomae(again, tmp_path / "second.safetensors")
    assert torch.equal(again.positions, tuned.positions)
    assert not torch.equal(again.positions, _model().positions)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_stored_table_is_accepted_if_it_is_the_fixed_one(dtype: torch.dtype, tmp_path: Path) -> None:
    state = _model().state_dict()
    torch.save(state | {"pos_embed": sinusoid_table(64, 16).to(dtype)}, tmp_path / "a.pth")
    assert load_videomae(_model(), tmp_path / "a.pth") == []
    torch.save(state | {"pos_embed": (sinusoid_table(64, 16) + 0.02).to(dtype)}, tmp_path / "b.pth")
    with pytest.raises(UserError, match=r"b.pth' holds a pos_embed other than the fixed sines and cosines"):
        load_videomae(_model(), tmp_path / "b.pth")
    torch.save(state | {"pos_embed": sinusoid_table(32, 16).to(dtype)}, tmp_path / "c.pth")
    with pytest.raises(UserError, match=r"c.pth' holds a table of 32 positions, the model has 64: .*checkpoint_frames"):
        load_videomae(_model(), tmp_path / "c.pth")
    model = _model()
    load_videomae(model, find_checkpoint(tmp_path / "c.pth", num_frames=4))
    assert torch.equal(model.positions, stretch(sinusoid_table(32, 16), Grid(2, 4, 4), Grid(4, 4, 4)))


@pytest.mark.parametrize(("frames", "size"), [(3, 64), (8, 60), (2 * 10**6, 64)])
def test_clips_that_cannot_have_been_are_refused(frames: int, size: int, tmp_path: Path) -> None:
    torch.save(_model().state_dict(), tmp_path / "a.pth")
    with pytest.raises(UserError, match=rf"cannot have been trained on {frames} frames of {size} px"):
        load_videomae(_model(), find_checkpoint(tmp_path / "a.pth", num_frames=frames, image_size=size))


@pytest.mark.parametrize("image_size", [32, 64, 96])
def test_the_learned_table_of_clip_is_stretched_as_open_clip_does(
    image_size: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(openai_entries(), tmp_path / "clip.pt")
    model = ViFiCLIP(SIZE, image_size=image_size)
    load_vifi_clip(model, tmp_path / "clip.pt")
    theirs = nn.Module()
    theirs.visual = nn.Module()
    theirs.visual.grid_size = (image_size // 16, image_size // 16)  # type: ignore[assignment]
    state = openai_entries()
    open_clip.model.resize_pos_embed(state, theirs)
    assert torch.equal(model.vision_encoder.pos_embed[0], state["visual.positional_embedding"])
    assert ("stretched from 1x4x4 tokens" in caplog.text) == (image_size != 64)
