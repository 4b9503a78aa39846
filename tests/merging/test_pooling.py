"""The last mean weighted by mass, against the mean of what an observer saw."""

import pytest
import torch

from tests.helpers.vits import CLIPS, IMAGES, averaging_vit, image_vit, video_vit
from vidtldr.merging import RandomDrop, RandomMerge, ToMe, VidTLDR, apply, merging
from vidtldr.merging.pooling import weighted_mean
from vidtldr.models.umt import UMTVisionEncoder

METHODS = [ToMe([6, 3], pooling="mass"), VidTLDR([6, 3], pooling="mass")]


def _mean(tokens: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
    """In a loop over clips and tokens."""
    means = [sum(m * token for m, token in zip(ms, clip)) / sum(ms) for ms, clip in zip(mass.tolist(), tokens)]
    return torch.stack(means)


def test_the_weighted_mean_by_hand() -> None:
    tokens = torch.tensor([[[1.0, 0.0], [5.0, 8.0]]])
    assert weighted_mean(tokens, torch.tensor([[3.0, 1.0]])).tolist() == [[2.0, 2.0]]


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize(
    ("make", "shape"), [(averaging_vit, IMAGES), (lambda: averaging_vit(fc_norm=False), IMAGES), (video_vit, CLIPS)]
)
@torch.no_grad()
def test_the_head_reads_the_mean_weighted_by_mass(make, shape, method) -> None:
    model, records = make(), []
    with merging(model, method, observer=records.append):
        logits = model(torch.randn(3, *shape))
    pooled = _mean(model.norm(records[-1].tokens), records[-1].mass)
    torch.testing.assert_close(logits, model.head(model.fc_norm(pooled)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pool_norm", [True, False])
@torch.no_grad()
def test_the_tokens_of_umt_stay_as_they_are(pool_norm: bool) -> None:
    torch.manual_seed(0)
    size = {"num_frames": 3, "image_size": 32, "patch_size": 8, "width": 32, "depth": 3, "num_heads": 2}
    model, clips = UMTVisionEncoder(pool_norm=pool_norm, **size).eval(), torch.randn(2, 3, 3, 32, 32)
    records: list = []
    with merging(model, ToMe([9, 5])):
        expected, plain = model(clips)
    with merging(model, ToMe([9, 5], pooling="mass"), observer=records.append):
        tokens, pooled = model(clips)
    assert torch.equal(tokens, expected)
    assert not torch.allclose(pooled, plain)
    torch.testing.assert_close(pooled, model.fc_norm(_mean(tokens, records[-1].mass)), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_prefix_tokens_are_in_no_mean() -> None:
    model, records = averaging_vit(reg_tokens=2), []
    with merging(model, METHODS[0], observer=records.append):
        logits = model(torch.randn(3, *IMAGES))
    last = records[-1]
    pooled = _mean(model.norm(last.tokens[:, 2:]), last.mass[:, 2:])
    torch.testing.assert_close(logits, model.head(model.fc_norm(pooled)), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_model_that_reads_a_class_token_is_left_alone() -> None:
    model, x = image_vit(), torch.randn(2, *IMAGES)
    with merging(model, ToMe([6, 3])):
        expected = model(x)
    with merging(model, ToMe([6, 3], pooling="mass")):
        assert torch.equal(model(x), expected)


def test_a_model_that_pools_in_another_way_is_refused_and_no_hook_is_left() -> None:
    model = image_vit(global_pool="map")
    with pytest.raises(ValueError, match="pooling='mass' needs a ViT that averages its tokens, which Vision"):
        apply(model, RandomMerge([6, 3], pooling="mass"))  # which also watches the clips
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    apply(model, RandomDrop(3))  # which needs no mean
