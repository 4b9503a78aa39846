"""Every attention backend computes the same, and the choice between them."""

from collections.abc import Iterator

import pytest
import torch

from tests.helpers.attention import Inputs, check_attention, inputs
from tests.models.umt.test_vision import (  # the official numbers, here with every backend
    test_decisions_masses_and_saliency_equal_the_official_ones_in_every_layer,  # noqa: F401
    test_tokens_and_pooled_feature_equal_the_official_ones,  # noqa: F401
)
from vidtldr.merging import Backend, attention_backend
from vidtldr.merging.attention import backends
from vidtldr.merging.attention.attend import Attended, attend


@pytest.fixture(params=["eager", "blocked", "auto"], autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with attention_backend(request.param):
        yield request.param


@pytest.mark.parametrize("with_mass", [False, True])
def test_it_equals_the_explicit_formula(with_mass: bool) -> None:
    check_attention(inputs(37, with_mass=with_mass), output_tolerance=2e-6, tolerance=2e-6)


def test_gradients_equal_those_of_the_explicit_formula(backend: Backend) -> None:
    def gradients(given: Inputs) -> tuple[torch.Tensor, ...]:
        leaves = [x.detach().requires_grad_() for x in given]
        result = _attend(Inputs(*leaves))
        return torch.autograd.grad(result.output.square().sum() + result.statistic.square().sum(), leaves)

    given = inputs(13, dtype=torch.float64)
    result = gradients(given)
    with attention_backend("eager"):
        for actual, expected in zip(result, gradients(given)):
            torch.testing.assert_close(actual, expected)


def test_gradients_of_the_mass_alone_are_kept() -> None:
    given = inputs(13)
    given.log_mass.requires_grad_()
    assert _attend(given).output.requires_grad


def test_a_compiled_function_follows_the_backend(backend: Backend) -> None:
    compiled = torch.compile(_attend, fullgraph=True, backend="aot_eager")
    given = inputs(13)
    for name in (backend, "eager", "blocked"):
        with attention_backend(name):
            result, expected = compiled(given), _attend(given)
        torch.testing.assert_close(result.output, expected.output)
        torch.testing.assert_close(result.statistic, expected.statistic)


def _attend(given: Inputs) -> Attended:
    return attend(*given[:3], scale=0.3, log_mass=given.log_mass, statistic="sharpness")


@pytest.mark.parametrize("backend", ["auto"], indirect=True)
class TestChoice:
    def test_it_ends_with_the_block_also_after_an_error(self) -> None:
        with pytest.raises(KeyError), attention_backend("eager"), attention_backend("blocked"):
            raise KeyError
        assert backends._wanted == "auto"

    def test_the_device_decides_unless_the_user_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on_gpu = torch.zeros(1, 2, 5, 8, device="meta")
        monkeypatch.setattr(backends, "_HAS_TRITON", False)
        for name, expected in (("auto", "blocked"), ("blocked", "blocked"), ("eager", "eager")):
            with attention_backend(name):
                assert backends.choose_backend(on_gpu, on_gpu, on_gpu, plain=False) == expected

    def test_an_unknown_backend_is_named(self) -> None:
        with (
            pytest.raises(
                ValueError, match="unknown attention backend 'flash': choose from auto, eager, blocked, triton"
            ),
            attention_backend("flash"),
        ):
            pass

    def test_triton_without_triton_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backends, "_HAS_TRITON", False)
        with pytest.raises(ValueError, match="needs Triton: pip install triton"), attention_backend("triton"):
            pass
