"""Saliency against the official vid-TLDR's stored scores and against its stated meaning at the edges."""

import math

import pytest
import timm
import torch

from tests.helpers.reference import load, tensor
from vidtldr.merging import (
    LayerRecord,
    VidTLDR,
    attentiveness,
    match,
    merge_tokens,
    merging,
    rollout,
    saliency,
    sharpness,
)
from vidtldr.merging.schedule import tokens_to_merge

_TINY = load("umt_tiny")


@pytest.mark.parametrize("case", ["odd", "clamp", "sized", "ratio", "zero"])
def test_one_merging_step_equals_official_vid_tldr(case: str) -> None:
    x, attention = tensor(_TINY, f"unit/{case}/x"), tensor(_TINY, f"unit/{case}/attn")
    score = saliency(sharpness(attention))
    torch.testing.assert_close(score, tensor(_TINY, f"unit/{case}/score"), atol=1e-5, rtol=0)

    size_in = f"unit/{case}/size_in"
    mass = tensor(_TINY, size_in).squeeze(-1) if size_in in _TINY else None
    plan = match(x, tokens_to_merge(float(_TINY[f"unit/{case}/r"]), x.shape[1]))
    if case == "zero":
        assert plan is None
        return
    merged, merged_mass = merge_tokens(x, mass, plan, score)
    torch.testing.assert_close(merged, tensor(_TINY, f"unit/{case}/out"), atol=1e-5, rtol=0)
    torch.testing.assert_close(merged_mass.unsqueeze(-1), tensor(_TINY, f"unit/{case}/size_out"), atol=1e-5, rtol=0)


def test_sharpness_is_the_negative_entropy_of_the_mean_over_heads() -> None:
    attention = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # two heads that look at one key each
    assert sharpness(attention).item() == pytest.approx(-math.log(2))
    assert sharpness(attention[:, :1]).item() == 0  # 0 log 0 counts as 0


def test_equally_sharp_tokens_are_all_salient() -> None:
    assert torch.equal(saliency(torch.full((2, 7), -3.5)), torch.ones(2, 7))
    noise = torch.full((1, 7), -7.0) + torch.randn(1, 7) * 1e-7  # a few float32 steps
    assert torch.equal(saliency(noise), torch.ones(1, 7))


def test_a_flat_clip_does_not_change_its_neighbour_in_the_batch() -> None:
    lively = torch.tensor([[-1.0, -2.0, -3.0, -4.0]])
    both = saliency(torch.cat([lively, torch.full((1, 4), -2.0)]))
    assert torch.equal(both[:1], saliency(lively))


def test_background_is_what_lies_below_the_mean() -> None:
    score = saliency(torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0]]))
    torch.testing.assert_close(score, torch.tensor([[0.0, 0.0, 0.0, 0.5, 1.0]]))


def test_background_drop_and_sharpening_can_be_left_out() -> None:
    sharp = torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0]])
    scaled = saliency(sharp, background_drop=False, sharpening=False)
    torch.testing.assert_close(scaled, torch.tensor([[0.0, 0.25, 0.5, 0.75, 1.0]]))
    dropped = saliency(sharp, sharpening=False)
    torch.testing.assert_close(dropped, torch.tensor([[0.0, 0.0, 0.5, 0.75, 1.0]]))
    for sharpening in (False, True):
        assert torch.equal(saliency(torch.full((1, 7), -3.5), sharpening=sharpening), torch.ones(1, 7))
    with pytest.raises(ValueError, match="background_drop=False needs sharpening=False"):
        saliency(sharp, background_drop=False)


@pytest.mark.parametrize("options", [{"background_drop": False, "sharpening": False}, {"sharpening": False}, {}])
@torch.no_grad()
def test_vid_tldr_weights_its_sources_by_the_saliency_that_its_options_ask_for(options: dict) -> None:
    model = timm.models.VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2).eval()
    records: list[LayerRecord] = []
    with merging(model, VidTLDR([6], **options), observer=records.append):
        model(torch.randn(2, 3, 32, 32))
    torch.testing.assert_close(records[0].source_weight[:, 1:], saliency(records[0].sharpness, **options))


def test_attentiveness_is_the_attention_that_a_token_receives() -> None:
    attention = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]]])  # two heads, two queries
    torch.testing.assert_close(attentiveness(attention), torch.tensor([[2.5 / 4, 1.5 / 4]]))


def test_rollout_is_the_mean_row_of_the_product_of_all_layers() -> None:
    maps = torch.rand(3, 2, 5, 5, dtype=torch.float64).softmax(-1)
    product = torch.eye(5, dtype=torch.float64).expand(2, 5, 5)
    for layer in maps:
        product = (layer + torch.eye(5)) / 2 @ product
    torch.testing.assert_close(rollout(list(maps)), product.mean(1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("logit", [0.0, 50.0, 1e4])
def test_saliency_is_finite_for_flat_and_for_one_hot_attention(dtype: torch.dtype, logit: float) -> None:
    # The public implementation gives NaN for the first (0 / 0) and for underflowing weights (0 log 0).
    scores = torch.zeros(1, 2, 9, 9)
    scores[..., 3:, 3] = logit
    score = saliency(sharpness(scores.softmax(-1).to(dtype)))
    assert score.isfinite().all()
    assert ((score >= 0) & (score <= 1)).all()
