"""Attention written out, which every backend is compared with."""

from typing import NamedTuple

import torch
from torch import Tensor

from vidtldr.merging.attention.attend import Statistic, attend
from vidtldr.merging.saliency import attentiveness, sharpness

STATISTICS: tuple[Statistic, ...] = ("sharpness", "attentiveness", "map")


class Inputs(NamedTuple):
    """Arguments of ``attend``; queries, keys and values are views of one tensor, as in a timm block."""

    query: Tensor
    key: Tensor
    value: Tensor
    log_mass: Tensor | None


def inputs(
    num_tokens: int,
    *,
    width: int = 8,
    dtype: torch.dtype = torch.float32,
    with_mass: bool = True,
    spread: float = 1.0,
    device: str = "cpu",
) -> Inputs:
    """Two random clips with three heads; scores have a standard deviation of about ``spread ** 2``."""
    generator = torch.Generator().manual_seed(num_tokens)
    packed = torch.randn(2, num_tokens, 3, 3, width, generator=generator) * spread
    mass = torch.randint(1, 2000, (2, num_tokens), generator=generator)
    query, key, value = packed.to(device, dtype).permute(2, 0, 3, 1, 4)
    return Inputs(query, key, value, mass.float().log().to(device) if with_mass else None)


def check_attention(given: Inputs, *, output_tolerance: float = 1e-5, tolerance: float = 1e-5) -> None:
    """Compare ``attend`` on ``given`` with the explicit formula in float64; tolerances are relative and absolute."""
    output, statistics = _explicit(*(None if x is None else x.double() for x in given))
    scale = given.query.shape[-1] ** -0.5
    for statistic in STATISTICS:
        result = attend(*given[:3], scale=scale, log_mass=given.log_mass, statistic=statistic)
        assert result.output.dtype == given.value.dtype
        assert result.statistic.dtype == torch.promote_types(given.query.dtype, torch.float32)
        close = {"rtol": output_tolerance, "atol": output_tolerance, "check_dtype": False}
        torch.testing.assert_close(result.output, output, **close)
        torch.testing.assert_close(
            result.statistic, statistics[statistic], rtol=tolerance, atol=tolerance, check_dtype=False
        )
    result = attend(*given[:3], scale=scale, log_mass=given.log_mass)
    assert result.statistic is None
    torch.testing.assert_close(result.output, output, **close)


def _explicit(
    query: Tensor, key: Tensor, value: Tensor, log_mass: Tensor | None
) -> tuple[Tensor, dict[Statistic, Tensor]]:
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    weights = (scores if log_mass is None else scores + log_mass[:, None, None]).softmax(-1)
    plain = scores.softmax(-1)  # never with the mass term
    return weights @ value, {"sharpness": sharpness(plain), "attentiveness": attentiveness(plain), "map": plain.mean(1)}
