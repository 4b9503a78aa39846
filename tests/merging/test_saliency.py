"""Saliency against the official vid-TLDR's stored scores and against its stated meaning at the edges."""

import math

import pytest
import torch

from tests.helpers.reference import load, tensor
from vidtldr.merging import match, merge_tokens, saliency, sharpness
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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("logit", [0.0, 50.0, 1e4])
def test_saliency_is_finite_for_flat_and_for_one_hot_attention(dtype: torch.dtype, logit: float) -> None:
    # The public implementation gives NaN for the first (0 / 0) and for underflowing weights (0 log 0).
    scores = torch.zeros(1, 2, 9, 9)
    scores[..., 3:, 3] = logit
    score = saliency(sharpness(scores.softmax(-1).to(dtype)))
    assert score.isfinite().all()
    assert ((score >= 0) & (score <= 1)).all()
