import numpy as np
import pytest
import torch

from vidtldr.evidence.measurements import SCORES, Finding, Foreground, find, scores_of
from vidtldr.measuring.clip_grid import ClipGrid
from vidtldr.models.umt import UMTVisionEncoder
from vidtldr.models.vifi_clip import CLIPVisionEncoder

# One clip of two steps of 1 x 3 tokens; a token is foreground if more than half of it is object.
COVER = torch.tensor([[[[1.0, 0.4, 0.0]], [[0.0, 0.6, 0.9]]]])
SCORE = torch.tensor([[[[0.9, 0.5, 0.1]], [[0.4, 0.4, 0.3]]]])
JOINT, ALONE = ClipGrid(2, 1, 3), ClipGrid(2, 1, 3, images_per_clip=2)


def test_a_joint_model_is_judged_by_all_tokens_of_a_clip():
    found = find(SCORE[None], COVER, JOINT, num_layers=1)
    assert found.auc == pytest.approx([(3 + 1.5 + 1) / 9])  # 0.9 beats three, 0.4 beats one and ties, 0.3 beats one
    assert found.iou == pytest.approx([1.5 / (6 - 1.5)])  # 0.9, 0.5, and one of two that tie
    assert found.frame_auc == pytest.approx(np.array([[1.0, 0.25]]))
    assert found.frame_iou == pytest.approx(np.array([[1.0, 1 / 3]]))
    assert found.shares == pytest.approx(np.array([[1.5 / 2.6, 1.1 / 2.6]]))


def test_a_model_of_single_frames_is_judged_frame_by_frame():
    found = find(SCORE[None], COVER, ALONE, num_layers=1)
    assert found.auc == pytest.approx([(1.0 + 0.25) / 2])
    assert found.iou == pytest.approx([(1.0 + 1 / 3) / 2])


def test_a_frame_without_foreground_is_left_out():
    cover = COVER.clone()
    cover[0, 1] = 0
    for grid in (JOINT, ALONE):
        found = find(SCORE[None], cover, grid, num_layers=1)
        assert found.auc == pytest.approx([1.0])
        assert found.frame_auc[0, 0] == 1.0
        assert np.isnan(found.frame_auc[0, 1])


@pytest.mark.parametrize("grid", [JOINT, ALONE])
def test_the_truth_finds_itself_and_its_opposite_finds_nothing(grid):
    both = torch.stack([COVER, 1 - COVER])
    found = find(both, COVER, grid, num_layers=2)
    assert found.auc == pytest.approx([1.0, 0.0])
    assert found.iou[0] == 1.0
    assert found.frame_auc == pytest.approx(np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert found.shares[0] == pytest.approx(Foreground.of(COVER).shares)


def test_views_count_alike_and_a_score_without_layers_is_the_same_in_each():
    scores, cover = torch.cat([SCORE, SCORE.flip(1)]), torch.cat([COVER, COVER])
    found = find(scores[None], cover, JOINT, num_layers=3)
    single = [find(scores[None, [view]], cover[[view]], JOINT, num_layers=1) for view in range(2)]
    assert found.auc.shape == (3,)
    assert found.auc == pytest.approx(np.full(3, (single[0].auc + single[1].auc)[0] / 2))
    assert found.shares[2] == pytest.approx((single[0].shares + single[1].shares)[0] / 2)


def test_videos_are_put_together_in_front():
    each = [find(SCORE[None], COVER, JOINT, 2), find(1 - SCORE[None], COVER, JOINT, 2)]
    together = Finding.of_videos(each)
    assert together.frame_auc.shape == (2, 2, 2)
    assert np.array_equal(together.auc[1], each[1].auc)


def test_the_truth_in_numbers():
    truth = Foreground.of(COVER)
    assert truth.tokens == pytest.approx(3 / 6)
    assert truth.shares == pytest.approx([1.4 / 2.9, 1.5 / 2.9])


@pytest.mark.parametrize("alone", [False, True])
def test_every_score_is_there_for_every_layer_and_token(alone):
    torch.manual_seed(0)
    sizes = {"image_size": 32, "patch_size": 16, "width": 32, "depth": 3, "num_heads": 2}
    encoder = CLIPVisionEncoder(joint_dim=8, **sizes) if alone else UMTVisionEncoder(num_frames=4, **sizes)
    clips = torch.randint(0, 256, (2, 4, 3, 32, 32), dtype=torch.uint8)
    scores = scores_of(encoder.eval(), clips, np.random.default_rng(3))
    assert tuple(scores) == SCORES
    shape = (2, 4, 2, 2)
    assert all(values.shape == (layers, *shape) for values, layers in zip(scores.values(), (3, 3, 1, 3)))
    again = scores_of(encoder, clips, np.random.default_rng(3))
    assert all(torch.equal(again[name], scores[name]) for name in SCORES)
    assert not torch.equal(scores_of(encoder, clips, np.random.default_rng(4))["random"], scores["random"])
