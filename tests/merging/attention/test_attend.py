"""Attention and its statistics against the explicit formula."""

import pytest
import torch

from tests.helpers.attention import check_attention, inputs
from vidtldr.merging.attention import attend as attention
from vidtldr.merging.attention import cpu as cached_attention
from vidtldr.merging.attention.attend import Statistic, attend


@pytest.fixture(params=["all queries of both clips", "all queries of a clip", "some queries", "one query"])
def block_of_13_tokens(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {"all queries of both clips": 2 * 13 * 13, "all queries of a clip": 13 * 13, "some queries": 5 * 13}
    one_head = scores.get(request.param, 1)
    monkeypatch.setattr(attention, "_MAX_BLOCK_SCORES", 2 * 3 * one_head)
    monkeypatch.setattr(cached_attention, "_LANE_BYTES", 4 * one_head)
    monkeypatch.setattr(cached_attention, "_VECTOR", 1)


@pytest.fixture(params=["a head", "two of three heads", "all heads"])
def heads_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = {"a head": 1, "two of three heads": 2, "all heads": 5}[request.param]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)


@pytest.mark.parametrize("with_mass", [False, True])
@pytest.mark.parametrize("with_gradients", [False, True])
@pytest.mark.usefixtures("block_of_13_tokens", "heads_at_once")
def test_blocks_of_queries_equal_the_explicit_formula(with_mass: bool, with_gradients: bool) -> None:
    given = inputs(13, with_mass=with_mass)
    given.query.requires_grad_(with_gradients)
    check_attention(given, output_tolerance=2e-6, tolerance=2e-6)


@pytest.mark.parametrize("with_gradients", [False, True])
def test_float64_is_computed_in_float64(with_gradients: bool) -> None:
    given = inputs(13, dtype=torch.float64)
    given.query.requires_grad_(with_gradients)
    check_attention(given, output_tolerance=1e-12, tolerance=1e-12)


@pytest.mark.parametrize("spread", [0.0, 3.0, 30.0])  # flat; too large for a bare exponential; one key takes all
@pytest.mark.parametrize("num_tokens", [1, 2, 67])
def test_flat_and_sharp_attention_are_as_exact_as_any(num_tokens: int, spread: float) -> None:
    given = inputs(num_tokens, dtype=torch.float64, spread=spread)
    check_attention(given, output_tolerance=1e-12, tolerance=1e-12)


def test_common_offsets_of_keys_and_masses_change_nothing() -> None:
    given = inputs(29)
    shifted = given._replace(key=given.key + 40 * given.key[:, :, :1], log_mass=given.log_mass + 80)
    check_attention(shifted, output_tolerance=5e-4, tolerance=5e-4)  # what float32 leaves of scores this large
    expected = attend(*given[:3], scale=0.5, log_mass=given.log_mass, statistic="sharpness")
    result = attend(*given[:3], scale=0.5, log_mass=given.log_mass + 80, statistic="sharpness")
    torch.testing.assert_close(result.output, expected.output, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("statistic", ["sharpness", "attentiveness", "map"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("with_gradients", [False, True])
def test_scores_that_overflow_half_precision_stay_finite(
    dtype: torch.dtype, statistic: Statistic, with_gradients: bool
) -> None:
    query, key, value, _ = inputs(13, dtype=dtype, spread=200)
    result = attend(query.requires_grad_(with_gradients), key, value, scale=8**-0.5, statistic=statistic)
    assert result.output.dtype == dtype
    assert result.output.isfinite().all()
    assert result.statistic.dtype == torch.float32
    assert result.statistic.isfinite().all()


def test_joining_the_heads_copies_nothing() -> None:
    given = inputs(13)
    output = attend(*given[:3], scale=1.0, log_mass=given.log_mass, statistic="sharpness").output
    assert output.transpose(1, 2).is_contiguous()


def test_inputs_are_left_as_they_were() -> None:
    given = inputs(13)
    before = [x.clone() for x in given]
    attend(*given[:3], scale=1.0, log_mass=given.log_mass, statistic="sharpness")
    assert all(torch.equal(x, y) for x, y in zip(given, before))


def test_compiled_code_knows_what_the_cached_attention_returns() -> None:
    for statistic in ("sharpness", "attentiveness", "map"):
        for given in (inputs(13), inputs(13, dtype=torch.float16, with_mass=False)):
            arguments = (*given[:3], 0.3, given.log_mass, statistic)
            torch.library.opcheck(
                cached_attention.attend_in_cache, arguments, test_utils=("test_schema", "test_faketensor")
            )
