"""Shares of frames by hand, and what a model sees that sees positions or contents alone."""

import pytest
import torch
from torch import nn

from vidtldr.measuring.clip_grid import encoder_input
from vidtldr.measuring.frame_shares import MeanFrameShares, frame_shares, position_only, representation_only
from vidtldr.measuring.token_scores import layer_scores
from vidtldr.models.umt import UMTVisionEncoder
from vidtldr.models.vifi_clip import CLIPVisionEncoder

SIZES = {"width": 16, "depth": 1, "num_heads": 2}


def test_shares_are_those_of_the_sums() -> None:
    scores = torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]], [[4.0, 0.0]]]])
    torch.testing.assert_close(frame_shares(scores), torch.tensor([[3 / 8, 1 / 8, 4 / 8]]))


def test_dropped_patches_count_nothing() -> None:
    scores = torch.tensor([[[[1.0, torch.nan]], [[torch.nan, torch.nan]], [[2.0, 1.0]]]])
    torch.testing.assert_close(frame_shares(scores), torch.tensor([[0.25, 0.0, 0.75]]))


def test_a_clip_without_scores_prefers_no_frame() -> None:
    assert frame_shares(torch.zeros(1, 4, 2, 2)).tolist() == [[0.25] * 4]


def test_negative_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="below 0"):
        frame_shares(torch.tensor([[[[-1.0]], [[2.0]]]]))


def test_each_clip_counts_alike_however_batches_are_cut() -> None:
    scores = torch.rand(5, 3, 2, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1.0, 10, 100, 1, 1]
    ).view(5, 1, 1, 1)
    together, apart = MeanFrameShares(), MeanFrameShares()
    together.update(scores)
    for part in scores.split(2):
        apart.update(part)
    assert together.compute() == pytest.approx(apart.compute())
    assert together.compute() == pytest.approx(frame_shares(scores).mean(dim=0).tolist())
    assert sum(together.compute()) == pytest.approx(1)
    assert together.num_clips == 5
    with pytest.raises(ValueError, match="no clips"):
        MeanFrameShares().compute()


def _encoders() -> list[nn.Module]:
    torch.manual_seed(0)
    umt = UMTVisionEncoder(num_frames=3, image_size=32, **SIZES).eval()
    clip = CLIPVisionEncoder(image_size=16, patch_size=8, joint_dim=8, **SIZES).eval()
    return [umt, clip]


@pytest.mark.parametrize("encoder", _encoders(), ids=["umt", "clip"])
def test_position_only_is_the_same_for_every_clip_but_for_its_mean(encoder: nn.Module) -> None:
    size = encoder.input_shape[-1]
    clip = torch.randint(0, 256, (1, 3, 3, size, size)).to(torch.uint8)
    moved = clip[:, [2, 0, 1]]  # the same patches elsewhere: another clip with the same mean
    with position_only(encoder):
        first, second = (layer_scores(encoder, encoder_input(encoder, each), num_frames=3)[0] for each in (clip, moved))
    torch.testing.assert_close(first.attentiveness, second.attentiveness)
    plain = [layer_scores(encoder, encoder_input(encoder, each), num_frames=3)[0] for each in (clip, moved)]
    assert not torch.allclose(plain[0].attentiveness, plain[1].attentiveness)


@pytest.mark.parametrize("encoder", _encoders(), ids=["umt", "clip"])
def test_representation_only_moves_with_the_frames(encoder: nn.Module) -> None:
    size = encoder.input_shape[-1]
    clip = torch.randint(0, 256, (1, 3, 3, size, size)).to(torch.uint8)
    order = [2, 0, 1]
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    positions = encoder.positions.clone() if hasattr(encoder, "positions") else None
    with representation_only(encoder):
        first, second = (
            layer_scores(encoder, encoder_input(encoder, each), num_frames=3)[0] for each in (clip, clip[:, order])
        )
    torch.testing.assert_close(first.attentiveness[:, order], second.attentiveness)
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert positions is None or torch.equal(encoder.positions, positions)


def test_a_model_without_positions_is_refused() -> None:
    with pytest.raises(ValueError, match="adds no table of positions"), representation_only(nn.Linear(1, 1)):
        pass
