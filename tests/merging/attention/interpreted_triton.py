"""What ``test_triton_attention.py`` runs with ``TRITON_INTERPRET=1``; by itself it is not collected."""

from collections.abc import Iterator

import pytest
import torch

from tests.helpers.attention import STATISTICS, check_attention, inputs
from tests.models.umt.test_vision import (
    test_decisions_masses_and_saliency_equal_the_official_ones_in_every_layer,  # noqa: F401
)
from vidtldr.merging import attention_backend
from vidtldr.merging.attention import triton as triton_attention
from vidtldr.merging.attention.attend import attend


@pytest.fixture(autouse=True)
def triton_backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for key in triton_attention.TILES:  # a program costs the interpreter more than its work: few, yet several
        tile = triton_attention.Tile(64, 64, 4, 1)
        monkeypatch.setitem(triton_attention.TILES, key, triton_attention.Tiles(tile, tile, tile))
    with attention_backend("triton"):
        yield


@pytest.mark.parametrize("with_mass", [False, True])
@pytest.mark.parametrize(("width", "num_tokens"), [(32, 1), (64, 71), (80, 21)])
def test_float32_equals_the_explicit_formula(width: int, num_tokens: int, with_mass: bool) -> None:
    check_attention(inputs(num_tokens, width=width, with_mass=with_mass))


def test_tiles_in_use_equal_the_explicit_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    check_attention(inputs(67, width=64))


@pytest.mark.parametrize("width", [64, 80])
def test_float16_is_accumulated_in_float32(width: int) -> None:
    check_attention(inputs(21, width=width, dtype=torch.float16), output_tolerance=2e-3)


@pytest.mark.parametrize("spread", [0.0, 4.0])
def test_flat_and_sharp_attention_are_as_exact_as_any(spread: float) -> None:
    check_attention(inputs(19, width=16, spread=spread), output_tolerance=1e-4, tolerance=1e-4)


def test_scores_that_overflow_half_precision_stay_finite() -> None:
    given = inputs(13, width=16, dtype=torch.float16, spread=200)
    for statistic in STATISTICS:
        result = attend(*given[:3], scale=0.25, log_mass=given.log_mass, statistic=statistic)
        assert result.output.isfinite().all()
        assert result.statistic.isfinite().all()


def test_any_layout_will_do() -> None:
    given = inputs(21, width=16)
    scattered = torch.empty(2, 16, 3, 21, 2).permute(0, 2, 3, 1, 4)[..., 0].copy_(given.key)  # no stride is 1
    check_attention(given._replace(query=given.query.contiguous(), key=scattered, value=given.value.mT.contiguous().mT))


def test_norms_that_leave_float32_behind_meet_half_precision_values() -> None:
    given = inputs(21, width=16, dtype=torch.float16)
    mixed = given._replace(query=given.query.float(), key=given.key.float())
    result, expected = (attend(*x[:3], scale=0.25, log_mass=x.log_mass, statistic="sharpness") for x in (mixed, given))
    assert torch.equal(result.output, expected.output)
    assert torch.equal(result.statistic, expected.statistic)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dtype": torch.float64}, "takes float16, bfloat16 and float32, not torch.float64"),
        ({"dtype": torch.bfloat16}, "takes no bfloat16 in Triton's interpreter"),
        ({"width": 160}, "takes heads of one width up to 128, not 160 and 160"),
    ],
)
def test_what_the_kernels_do_not_take_is_refused(change: dict[str, object], sentence: str) -> None:
    given = inputs(5, **change)
    with pytest.raises(ValueError, match=f"attention backend 'triton' {sentence}"):
        attend(*given[:3], scale=1.0, statistic="sharpness")


def test_gradients_and_dropout_are_refused() -> None:
    given = inputs(5)
    with pytest.raises(ValueError, match="has neither gradients nor dropout"):
        attend(given.query.requires_grad_(), given.key, given.value, scale=1.0, statistic="sharpness")
    with pytest.raises(ValueError, match="has neither gradients nor dropout"):
        attend(given.query.detach(), given.key, given.value, scale=1.0, statistic="sharpness", dropout=0.5)


def test_compiled_code_knows_what_the_kernels_return() -> None:
    query, key, value, log_mass = inputs(21, width=16)
    log_sum_exp = triton_attention.flash(query, key, value, 0.25, log_mass)[1]
    checks = {"test_utils": ("test_schema", "test_faketensor")}
    torch.library.opcheck(triton_attention.flash, (query, key, value, 0.25, log_mass), **checks)
    for statistic in STATISTICS:
        torch.library.opcheck(triton_attention.read_attention, (query, key, log_sum_exp, 0.25, statistic), **checks)
