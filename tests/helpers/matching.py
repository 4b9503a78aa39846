"""Tokens with ties, and matching and merging in double precision beside what is tested."""

from itertools import product

import torch
from torch import Tensor

from vidtldr.merging import attention_backend, match, merge_tokens

SHAPES = [(12, 0, 5), (13, 0, 6), (71, 1, 20), (66, 2, 1), (70, 5, 32)]
"""Tokens, prefix tokens, tokens that merge."""


def tokens_with_ties(num_tokens: int, *, width: int = 40, dtype: torch.dtype, device: str = "cpu") -> Tensor:
    """Two random clips in which whole tokens repeat, ``[2, n, c]``, and one token is 0: cosines that are just equal."""
    generator = torch.Generator().manual_seed(num_tokens)
    x = torch.randn(2, num_tokens, width, generator=generator)
    x[:, num_tokens // 2 :] = x[:, : num_tokens - num_tokens // 2].clone()
    x[:, num_tokens // 3] = 0
    return x.to(device, dtype)


def check_matching(num_tokens: int, num_prefix: int, r: int, *, dtype: torch.dtype, device: str, width: int) -> None:
    """Compare plans, tokens and masses of the kernels with those of PyTorch's operations in float64."""
    x = tokens_with_ties(num_tokens, width=width, dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(1)
    mass = torch.randint(1, 9, x.shape[:2], generator=generator).float().to(device)
    weight = torch.rand(x.shape[:2], generator=generator).to(device)
    for keep_order in (False, True):
        with attention_backend("triton"):
            plan = match(x, r, num_prefix=num_prefix, keep_order=keep_order)
        _check_plan(x.double(), plan, r, num_prefix, keep_order)
    for masses, weights in product((None, mass), (None, weight)):
        with attention_backend("triton"):
            merged, new_mass = merge_tokens(x, masses, plan, weights)
        doubles = [None if y is None else y.double() for y in (masses, weights)]
        expected, expected_mass = merge_tokens(x.double(), doubles[0], plan, doubles[1])
        tolerance = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}[dtype]
        torch.testing.assert_close(merged.double(), expected, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(new_mass.double(), expected_mass, rtol=1e-6, atol=1e-6)
        assert merged.dtype == dtype
        assert new_mass.dtype == torch.float32


def _check_plan(x: Tensor, plan, r: int, num_prefix: int, keep_order: bool) -> None:
    """A plan may swap what is equal up to rounding, and nothing else."""
    unit = torch.nn.functional.normalize(x, dim=-1)
    positions = torch.arange(x.shape[1], device=x.device)
    sources = positions[(positions >= num_prefix) & (positions % 2 == 0)]
    destinations = positions[(positions >= num_prefix) & (positions % 2 == 1)]
    similarity = unit[:, sources] @ unit[:, destinations].mT
    best = similarity.amax(dim=2)
    both = torch.cat([plan.source, plan.unmerged], dim=1)
    assert torch.equal(both.sort(dim=1).values, torch.arange(len(sources), device=x.device).expand_as(both))
    chosen = similarity.gather(1, plan.source.unsqueeze(2).expand(-1, -1, len(destinations)))
    reached = chosen.gather(2, plan.target.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(reached, best.gather(1, plan.source), rtol=0, atol=2e-6)
    torch.testing.assert_close(reached, best.topk(r, dim=1).values, rtol=0, atol=2e-6)
    rest = best.gather(1, plan.unmerged)
    if keep_order:
        assert torch.equal(plan.unmerged, plan.unmerged.sort(dim=1).values)
    else:
        torch.testing.assert_close(rest, rest.sort(dim=1, descending=True).values, rtol=0, atol=2e-6)
