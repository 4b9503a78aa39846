"""Attention and its statistics against the explicit formula."""

import pytest
import torch
from torch import Tensor

from vidtldr.merging import attention
from vidtldr.merging.attention import Statistic, attend
from vidtldr.merging.saliency import attentiveness, sharpness


def _qkv(num_tokens: int = 13, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(num_tokens)
    return tuple(torch.randn(2, 3, num_tokens, 8, generator=generator).to(dtype) for _ in range(3))


@pytest.mark.parametrize("with_mass", [False, True])
@pytest.mark.parametrize("max_scores", [1, 200, 2**24])  # one query at a time, a few, all
def test_blocks_of_queries_equal_the_explicit_formula(
    with_mass: bool, max_scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_MAX_BLOCK_SCORES", max_scores)
    query, key, value = _qkv()
    log_mass = torch.rand(2, 13) if with_mass else None
    scores = query @ key.transpose(-2, -1) * 0.4
    weights = (scores + (log_mass[:, None, None] if with_mass else 0)).softmax(-1)
    plain = scores.softmax(-1)  # never with the mass term
    expected = {"sharpness": sharpness(plain), "attentiveness": attentiveness(plain), "map": plain.mean(1)}
    for statistic, value_of_it in expected.items():
        result = attend(query, key, value, scale=0.4, log_mass=log_mass, statistic=statistic)
        torch.testing.assert_close(result.output, weights @ value)
        torch.testing.assert_close(result.statistic, value_of_it)
    fused = attend(query, key, value, scale=0.4, log_mass=log_mass)
    assert fused.statistic is None
    torch.testing.assert_close(fused.output, weights @ value)


@pytest.mark.parametrize("statistic", ["sharpness", "attentiveness", "map"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_scores_that_overflow_half_precision_stay_finite(dtype: torch.dtype, statistic: Statistic) -> None:
    query, key, value = (x * 200 for x in _qkv(dtype=dtype))
    result = attend(query, key, value, scale=8**-0.5, statistic=statistic)
    assert result.output.dtype == dtype
    assert result.output.isfinite().all()
    assert result.statistic.dtype == torch.float32
    assert result.statistic.isfinite().all()
