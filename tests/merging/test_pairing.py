"""Pairs anywhere in the sequence, by hand and against slow loops."""

import pytest
import torch
import torch.nn.functional as F

from vidtldr.merging.pairing import energies, merge_pairs, pair_at_random, pair_by_energy
from vidtldr.merging.plans import PairPlan


def test_the_lowest_numbers_are_sources_and_the_others_are_chosen_among() -> None:
    order = torch.tensor([[0.0, 0.9, 0.1, 0.5, 0.3, 0.7]])  # the first is a prefix token
    choice = torch.tensor([[0.99, 0.0, 0.5, 0.5, 0.5, 0.5]])
    plan = pair_at_random(order, choice, 2, num_prefix=1)
    assert plan.source.tolist() == [[2, 4]]
    assert plan.target.tolist() == [[1, 3]]  # of 3, 5, 1 in the drawn order the last and the first
    assert plan.kept.tolist() == [[0, 1, 3, 5]]
    assert plan.heirs().tolist() == [[1, 2]]
    assert plan.positions().tolist() == [[0, 1, 1, 2, 2, 3]]
    assert pair_at_random(order, choice, 0) is None
    assert pair_at_random(order, choice, 100, num_prefix=1).source.shape == (1, 2)


def test_a_number_that_rounds_up_to_one_still_finds_a_destination() -> None:
    plan = pair_at_random(torch.arange(40.0).view(1, -1), torch.full((1, 40), 1 - 2**-24), 20)
    assert plan.target.tolist() == [[39] * 20]


def test_energies_by_hand() -> None:
    similarity = torch.tensor([[[1.0, 0.8, 0.0], [0.8, 1.0, 0.5], [0.0, 0.5, 1.0]]])
    e = torch.tensor(0.5).exp().reciprocal() - 1  # ELU of 0 - 0.5
    expected = torch.tensor([[0.5 + 0.3 + e, 0.3 + 0.5 + 0.0, e + 0.0 + 0.5]]) / 3
    torch.testing.assert_close(energies(similarity, 0.5), expected)


def test_tokens_that_are_like_many_merge_and_those_that_stand_alone_are_protected() -> None:
    angles = torch.tensor([90.0, 0.0, 180.0, 5.0, 2.0, 9.0]).deg2rad()
    metric = torch.stack([angles.cos(), angles.sin()], dim=1).unsqueeze(0) * 3  # lengths do not count
    plan = pair_by_energy(metric, 2, margin=0.9)
    # Of 0, 2, 5 and 9 degrees 2 and 5 have the most energy, then 0 and 9: sources 2 and 0, destinations 5 and 9.
    energy = energies(F.normalize(metric, dim=-1) @ F.normalize(metric, dim=-1).mT, 0.9)
    assert energy[0].argsort(descending=True)[:4].tolist() == _order(angles)
    first, second, third, fourth = _order(angles)
    assert plan.source.tolist() == [[first, third]]
    assert {0, 2}.isdisjoint(plan.source[0].tolist() + plan.target[0].tolist())
    for source, target in zip(plan.source[0].tolist(), plan.target[0].tolist()):
        nearest = min((second, fourth), key=lambda token: abs(angles[token] - angles[source]).item())
        assert target == nearest


def _order(angles: torch.Tensor) -> list[int]:
    """The four tokens with the most energy, in a loop."""
    energy = []
    for a in angles.tolist():
        x = [torch.tensor(a - b).cos().item() - 0.9 for b in angles.tolist()]
        energy.append(sum(v if v > 0 else torch.tensor(v).expm1().item() for v in x) / len(x))
    return sorted(range(len(energy)), key=lambda i: -energy[i])[:4]


def test_the_prefix_takes_no_part() -> None:
    metric = torch.randn(3, 11, 4)
    alone = pair_by_energy(metric[:, 2:], 3, margin=0.5)
    behind = pair_by_energy(metric, 3, margin=0.5, num_prefix=2)
    assert torch.equal(behind.source, alone.source + 2)
    assert torch.equal(behind.target, alone.target + 2)
    assert torch.equal(behind.kept[:, :2], torch.tensor([[0, 1]] * 3))


@pytest.mark.parametrize("with_mass", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_merging_pairs_equals_a_loop_over_groups(with_mass: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 12, 5).to(dtype)
    masses = torch.rand(3, 12) * 3 + 1 if with_mass else torch.ones(3, 12)
    plan = pair_at_random(torch.rand(3, 12), torch.rand(3, 12), 5, num_prefix=1)
    tokens, mass = merge_pairs(x, masses if with_mass else None, plan)
    for clip in range(3):
        for place, kept in enumerate(plan.kept[clip].tolist()):
            sources = plan.source[clip][plan.target[clip] == kept].tolist()
            group = [kept, *sources]
            total = sum(masses[clip, token].item() for token in group)
            mean = sum(masses[clip, token].item() * x[clip, token].double() for token in group) / total
            assert mass[clip, place].item() == pytest.approx(total)
            rounding = 1e-2 if dtype == torch.bfloat16 else 1e-5
            torch.testing.assert_close(tokens[clip, place], mean.to(dtype), atol=1e-6, rtol=rounding)
            if not sources:
                assert torch.equal(tokens[clip, place], x[clip, kept])  # untouched


def test_a_plan_for_another_number_of_tokens_is_refused() -> None:
    plan = PairPlan(4, torch.tensor([[0, 1, 2]]), torch.tensor([[3]]), torch.tensor([[1]]))
    with pytest.raises(ValueError, match="a plan for 4 tokens cannot be applied to 5 tokens"):
        merge_pairs(torch.zeros(1, 5, 2), None, plan)
