"""What holds for every plan, whether it merges or drops."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidtldr.merging import Plan, drop_lowest, match

plans = st.tuples(
    st.sampled_from(["merge", "drop"]), st.integers(1, 3), st.integers(4, 23), st.integers(0, 2), st.integers(1, 12)
)


def _plan(case: tuple[str, int, int, int, int]) -> Plan:
    kind, batch, num_tokens, num_prefix, r = case
    x = torch.randn(batch, num_tokens, 5, generator=torch.Generator().manual_seed(num_tokens * 7 + r))
    found = match(x, r, num_prefix=num_prefix) if kind == "merge" else drop_lowest(x[..., 0], r, num_prefix=num_prefix)
    assert found is not None
    return found


@given(plans)
@settings(max_examples=60, deadline=None)
def test_each_token_stays_once_or_goes_once(case: tuple) -> None:
    plan, num_tokens = _plan(case), case[2]
    both = torch.cat(plan.origins(), dim=1)
    assert torch.equal(both.sort(dim=1).values, torch.arange(num_tokens).expand_as(both))


@given(plans)
@settings(max_examples=60, deadline=None)
def test_what_is_taken_stands_where_the_plan_says(case: tuple) -> None:
    plan, num_tokens = _plan(case), case[2]
    x = torch.arange(case[1] * num_tokens * 2.0).view(case[1], num_tokens, 2)
    taken, positions = plan.take(x), plan.positions()
    kept, gone = (set(map(int, row)) for row in (plan.origins()[0][0], plan.origins()[1][0]))
    for token in range(num_tokens):
        place = int(positions[0, token])
        if token in kept:
            assert torch.equal(taken[0, place], x[0, token])
        else:
            assert token in gone
            assert place == -1 if case[0] == "drop" else place >= case[3]


@given(plans)
@settings(max_examples=40, deadline=None)
def test_following_two_plans_leads_from_the_input_to_the_output(case: tuple) -> None:
    first = _plan(case)
    num_left = first.origins()[0].shape[1]
    assume(num_left > case[3] + 2)
    second = _plan(("drop", case[1], num_left, case[3], 1))
    owner: Tensor = second.follow(first.follow(torch.arange(case[2]).expand(case[1], -1)))
    for token in range(case[2]):
        place = int(first.positions()[-1, token])
        assert int(owner[-1, token]) == (-1 if place < 0 else int(second.positions()[-1, place]))


@pytest.mark.parametrize("kind", ["merge", "drop"])
def test_a_plan_for_other_tokens_is_refused(kind: str) -> None:
    plan = _plan((kind, 2, 10, 1, 3))
    with pytest.raises(ValueError, match="a plan for 10 tokens cannot be applied to 9 tokens"):
        plan.take(torch.zeros(2, 9))
