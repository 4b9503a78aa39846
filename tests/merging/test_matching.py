"""Matching and merging against ToMe's stored outputs, a slow loop, and laws."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.helpers.reference import load, tensor
from vidtldr.merging import MergePlan, match, max_mergeable, merge_tokens

_TOME = load("tome")
_BSM = {
    "cls_N65_r8": (1, 8),
    "cls_N65_r40": (1, 40),
    "nocls_N64_r8": (0, 8),
    "nocls_N64_r40": (0, 40),
    "cls_distill_N66_r8": (2, 8),
    "nocls_N65_r40": (0, 40),
    "cls_N64_r40": (1, 40),
}


def _membership(owner: Tensor, num_output: int) -> Tensor:
    """0/1 matrix ``[b, outputs, inputs]`` from owners ``[b, inputs]``."""
    matrix = torch.zeros(owner.shape[0], num_output, owner.shape[1])
    return matrix.scatter_(1, owner.unsqueeze(1), 1.0)


@pytest.mark.parametrize("case", _BSM)
def test_two_merges_in_a_row_equal_official_tome(case: str) -> None:
    num_prefix, r = _BSM[case]
    x, mass, owner = tensor(_TOME, f"bsm/{case}/x"), None, None
    for step in ("", "2"):
        metric = tensor(_TOME, f"bsm/{case}/metric{step}")
        plan = match(metric, r, num_prefix=num_prefix, keep_order=num_prefix > 0)
        x, mass = merge_tokens(x, mass, plan)
        owner = plan.positions() if owner is None else plan.positions().gather(1, owner)
        torch.testing.assert_close(x, tensor(_TOME, f"bsm/{case}/x_merged{step}"), atol=1e-5, rtol=0)
        torch.testing.assert_close(mass.unsqueeze(-1), tensor(_TOME, f"bsm/{case}/size{step}"), atol=1e-5, rtol=0)
        assert torch.equal(_membership(owner, x.shape[1]), tensor(_TOME, f"bsm/{case}/source{step}"))


def _merge_by_loop(x: Tensor, mass: Tensor, weight: Tensor, metric: Tensor, r: int, num_prefix: int) -> Tensor:
    """One clip, token by token, straight from Eq. 10-11."""
    sources = [i for i in range(num_prefix, len(x)) if i % 2 == 0]
    destinations = [i for i in range(num_prefix, len(x)) if i % 2 == 1]
    unit = metric / metric.norm(dim=-1, keepdim=True)
    best = {i: max(destinations, key=lambda j, i=i: (unit[i] @ unit[j]).item()) for i in sources}
    merged = sorted(sources, key=lambda i: -(unit[i] @ unit[best[i]]).item())[:r]
    out = [x[i] for i in range(num_prefix)] + [x[i] for i in sources if i not in merged]
    for j in destinations:
        members = [i for i in merged if best[i] == j]
        total = mass[j] + sum(weight[i] * mass[i] for i in members)
        out.append((mass[j] * x[j] + sum(weight[i] * mass[i] * x[i] for i in members)) / total)
    return torch.stack(out)


@pytest.mark.parametrize("num_prefix", [0, 1, 2, 5])
@pytest.mark.parametrize("num_tokens", [12, 13])
def test_weighted_merge_equals_a_loop_over_tokens(num_tokens: int, num_prefix: int) -> None:
    generator = torch.Generator().manual_seed(num_tokens * 10 + num_prefix)
    x = torch.randn(3, num_tokens, 6, generator=generator)
    mass = 1 + torch.rand(3, num_tokens, generator=generator)
    weight = torch.rand(3, num_tokens, generator=generator)
    plan = match(x, 3, num_prefix=num_prefix)
    merged, _ = merge_tokens(x, mass, plan, weight)
    for clip in range(3):
        expected = _merge_by_loop(x[clip], mass[clip], weight[clip], x[clip], 3, num_prefix)
        torch.testing.assert_close(merged[clip], expected, atol=1e-6, rtol=1e-5)


token_sets = st.tuples(
    st.integers(1, 4), st.integers(2, 33), st.integers(0, 5), st.integers(1, 40), st.integers(0, 2**31)
).filter(lambda case: max_mergeable(case[1], case[2]) > 0)


def _draw(case: tuple[int, int, int, int, int]) -> tuple[Tensor, Tensor, MergePlan]:
    batch, num_tokens, num_prefix, r, seed = case
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, num_tokens, 8, generator=generator)
    mass = torch.randint(1, 9, (batch, num_tokens), generator=generator).float()
    return x, mass, match(x, r, num_prefix=num_prefix)


@given(token_sets)
@settings(max_examples=80, deadline=None)
def test_mass_is_conserved_and_no_mass_falls_below_one(case: tuple) -> None:
    x, mass, plan = _draw(case)
    _, merged_mass = merge_tokens(x, mass, plan)
    assert torch.equal(merged_mass.sum(1), mass.sum(1))  # whole numbers: exact
    assert (merged_mass >= 1).all()


@given(token_sets)
@settings(max_examples=80, deadline=None)
def test_every_input_token_has_exactly_one_owner_and_every_owner_a_token(case: tuple) -> None:
    x, mass, plan = _draw(case)
    merged, _ = merge_tokens(x, mass, plan)
    members = _membership(plan.positions(), merged.shape[1])
    assert torch.equal(members.sum(1), torch.ones_like(mass))
    assert (members.sum(2) >= 1).all()
    # The masses that the owners say must be those that the merge computed.
    torch.testing.assert_close((members * mass.unsqueeze(1)).sum(2), merge_tokens(x, mass, plan)[1])


@given(token_sets)
@settings(max_examples=50, deadline=None)
def test_prefix_tokens_stay_in_front_untouched(case: tuple) -> None:
    x, mass, plan = _draw(case)
    merged, merged_mass = merge_tokens(x, mass, plan)
    num_prefix = case[2]
    assert torch.equal(merged[:, :num_prefix], x[:, :num_prefix])
    assert torch.equal(merged_mass[:, :num_prefix], mass[:, :num_prefix])


@given(token_sets)
@settings(max_examples=50, deadline=None)
def test_a_batch_merges_as_its_clips_one_by_one(case: tuple) -> None:
    x, mass, plan = _draw(case)
    merged, _ = merge_tokens(x, mass, plan)
    for clip in range(len(x)):
        alone = match(x[clip : clip + 1], case[3], num_prefix=case[2])
        assert torch.equal(merge_tokens(x[clip : clip + 1], mass[clip : clip + 1], alone)[0][0], merged[clip])


def test_more_than_half_is_cut_down_to_half() -> None:
    assert match(torch.randn(2, 15, 4), 100).num_merged == 7
    assert match(torch.randn(2, 15, 4), 100, num_prefix=1).num_merged == 7
    assert match(torch.randn(2, 3, 4), 100, num_prefix=2) is None
    assert match(torch.randn(2, 15, 4), 0) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_huge_equal_and_zero_tokens_merge_to_finite_ones(dtype: torch.dtype) -> None:
    for value in (0.0, 1.0, float(torch.finfo(dtype).max) / 2 if dtype is torch.float16 else 1e30):
        x = torch.full((2, 9, 4), value, dtype=dtype)
        merged, mass = merge_tokens(x, torch.full((2, 9), 1000.0), match(x, 4))
        assert merged.dtype == dtype
        assert mass.dtype == torch.float32
        torch.testing.assert_close(merged, torch.full_like(merged, value), rtol=1e-2, atol=0)


def test_half_precision_matches_in_float32() -> None:
    x = torch.randn(2, 64, 32, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        plan = match(x, 20)
    exact = match(x.float(), 20)
    assert torch.equal(plan.source, exact.source)
    assert torch.equal(plan.target, exact.target)


def test_gradients_flow_through_the_features() -> None:
    x = torch.randn(1, 8, 4, requires_grad=True)
    merge_tokens(x, None, match(x, 3))[0].sum().backward()
    assert x.grad.isfinite().all()
    assert (x.grad != 0).all()


@pytest.mark.parametrize("num_prefix", [0, 1])
def test_gradients_of_features_masses_and_weights_are_those_of_finite_differences(num_prefix: int) -> None:
    x = torch.randn(2, 8, 3, dtype=torch.float64, requires_grad=True)
    mass, weight = (torch.rand(2, 8, dtype=torch.float64).add(0.5).requires_grad_() for _ in range(2))
    plan = match(x, 3, num_prefix=num_prefix)
    assert torch.autograd.gradcheck(lambda *given: merge_tokens(*given[:2], plan, given[2]), (x, mass, weight))


def test_merging_leaves_its_inputs_as_they_were() -> None:
    given = torch.randn(2, 8, 4), torch.rand(2, 8) + 1
    before = [x.clone() for x in given]
    merge_tokens(*given, match(given[0], 3))
    assert all(torch.equal(x, y) for x, y in zip(given, before))


@pytest.mark.parametrize("mass", [None, torch.ones(1, 8), torch.ones(1, 10)])
def test_a_plan_for_another_number_of_tokens_is_refused(mass: torch.Tensor | None) -> None:
    plan = match(torch.randn(1, 8, 4), 2)
    with pytest.raises(ValueError, match="a plan for 8 tokens cannot be applied to 10 tokens"):
        merge_tokens(torch.randn(1, 10, 4), mass, plan)
