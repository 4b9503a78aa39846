"""Means as long as the longest of their tokens."""

import torch

from vidtldr.merging import match, merge_tokens
from vidtldr.merging.mlerp import rescale_to_longest
from vidtldr.merging.pairing import merge_pairs
from vidtldr.merging.plans import PairPlan


def test_a_mean_gets_the_length_of_the_longest_by_hand() -> None:
    x = torch.tensor([[[3.0, 0.0], [0.0, 4.0], [7.0, 7.0]]])
    plan = PairPlan(3, torch.tensor([[1, 2]]), torch.tensor([[0]]), torch.tensor([[1]]))
    merged, _ = merge_pairs(x, None, plan)
    assert merged.tolist() == [[[1.5, 2.0], [7.0, 7.0]]]
    torch.testing.assert_close(rescale_to_longest(merged, x, plan), torch.tensor([[[2.4, 3.2], [7.0, 7.0]]]))


def test_several_sources_and_weights_against_a_loop() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(4, 14, 6), torch.rand(4, 14).mul(2).sub(1).clamp(min=0)  # half of them count nothing
    plan = match(x, 6)
    merged, _ = merge_tokens(x, None, plan, weight)
    rescaled = rescale_to_longest(merged, x, plan, weight)
    kept, gone = plan.origins()
    for clip in range(4):
        for place, token in enumerate(kept[clip].tolist()):
            sources = gone[clip][plan.heirs()[clip] == place].tolist()
            if not sources:
                assert torch.equal(rescaled[clip, place], merged[clip, place])
                continue
            longest = max(x[clip, i].norm() for i in [token, *(s for s in sources if weight[clip, s] > 0)])
            mean = merged[clip, place]
            torch.testing.assert_close(rescaled[clip, place], mean / mean.norm() * longest)


def test_tokens_that_cancel_each_other_stay_zero() -> None:
    x = torch.tensor([[[2.0, -1.0], [-2.0, 1.0]]])
    plan = PairPlan(2, torch.tensor([[1]]), torch.tensor([[0]]), torch.tensor([[1]]))
    merged, _ = merge_pairs(x, None, plan)
    assert rescale_to_longest(merged, x, plan).tolist() == [[[0.0, 0.0]]]
