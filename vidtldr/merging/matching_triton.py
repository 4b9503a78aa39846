"""Matching and merging on a GPU, in few launches: similarities are never written down, and no sum depends on chance.

PyTorch's own operations take some fifty launches a layer, several passes over the tokens in float32, and a matrix
product outside the tensor cores. Here the highest similarities take one kernel, ranking them two, the merge one.
``TRITON_INTERPRET=1``, set before Triton is imported, runs them on a CPU, slowly.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton
from torch import Tensor

from vidtldr.merging.matching_kernels import choose_kernel, closest_kernel, merge_kernel, rank_kernel

_NOTHING_YET = torch.iinfo(torch.int64).min
_TILE = {"SOURCES": 64, "DESTINATIONS": 64, "CHANNELS": 32}
_RANKED = {"SOURCES": 32, "OTHERS": 256}


@torch.library.custom_op("vidtldr::match_tokens", mutates_args=())
def match_tokens(metric: Tensor, r: int, num_prefix: int, keep_order: bool) -> tuple[Tensor, Tensor, Tensor]:
    """What ``match`` puts into its plan: sources that stay, ``[b, s - r]``, that merge, and their targets, ``[b, r]``.

    Args:
        metric: What tokens are compared by, ``[b, n, c]``; float16, bfloat16 or float32.
        r: Tokens to merge, no more than can.
        num_prefix: Tokens in front that take no part.
        keep_order: See ``match``.
    """
    unmerged, source, target = _empty_match(metric, r, num_prefix, keep_order)
    batch, num_tokens, width = metric.shape
    # In float32: compared as halves, tokens got wrong norms from the compiled kernel (H200, Triton 3.6).
    metric = metric.float().contiguous()
    num_sources, num_destinations = _counts(num_tokens, num_prefix)
    packed = torch.full((batch, num_sources), _NOTHING_YET, dtype=torch.int64, device=metric.device)
    rank = torch.empty((batch, num_sources), dtype=torch.int32, device=metric.device)
    grid = triton.cdiv(num_sources, _TILE["SOURCES"]) * triton.cdiv(num_destinations, _TILE["DESTINATIONS"]) * batch
    blocks = triton.cdiv(num_sources, _RANKED["SOURCES"]) * batch
    with _on_device_of(metric):
        closest_kernel[(grid,)](
            metric, packed, *_firsts(num_prefix), num_tokens, num_sources, num_destinations,
            WIDTH=width, **_TILE, num_warps=4, num_stages=3,
        )  # fmt: skip
        rank_kernel[(blocks,)](packed, rank, num_sources, **_RANKED)
        choose_kernel[(blocks,)](
            packed, rank, unmerged, source, target, num_sources, r, KEEP_ORDER=keep_order, **_RANKED
        )
    return unmerged, source, target


@match_tokens.register_fake
def _empty_match(metric: Tensor, r: int, num_prefix: int, keep_order: bool) -> tuple[Tensor, Tensor, Tensor]:
    batch, num_sources = metric.shape[0], _counts(metric.shape[1], num_prefix)[0]
    unmerged, source, target = (
        metric.new_empty((batch, count), dtype=torch.int64) for count in (num_sources - r, r, r)
    )
    return unmerged, source, target


@torch.library.custom_op("vidtldr::merge_matched", mutates_args=())
def merge_matched(
    x: Tensor,
    mass: Tensor | None,
    weight: Tensor | None,
    unmerged: Tensor,
    source: Tensor,
    target: Tensor,
    num_prefix: int,
) -> tuple[Tensor, Tensor]:
    """What ``merge_tokens`` gives, without gradients: tokens ``[b, n - r, c]`` and masses ``[b, n - r]``, float32.

    Args:
        x: Tokens, ``[b, n, c]``; float16, bfloat16 or float32.
        mass: Mass of each token, ``[b, n]``, or ``None``.
        weight: Factor on the mass of each token if it merges, ``[b, n]``, or ``None``.
        unmerged: See :class:`~vidtldr.merging.plans.MergePlan`.
        source: Likewise.
        target: Likewise.
        num_prefix: Tokens in front that take no part.
    """
    tokens, masses = _empty_merge(x, mass, weight, unmerged, source, target, num_prefix)
    batch, num_tokens, width = x.shape
    num_kept, r = masses.shape[1], source.shape[1]
    x = x.contiguous()
    with _on_device_of(x):
        merge_kernel[(num_kept * batch,)](
            x,
            x if mass is None else mass.float().contiguous(),  # any pointer will do where none is read
            x if weight is None else weight.float().contiguous(),
            unmerged.contiguous(), source.contiguous(), target.contiguous(), tokens, masses,
            num_prefix, *_firsts(num_prefix), num_tokens, unmerged.shape[1], num_kept, r,
            HAS_MASS=mass is not None, HAS_WEIGHT=weight is not None,
            WIDTH=width, PADDED=triton.next_power_of_2(width), TARGETS=min(1024, triton.next_power_of_2(r)),
        )  # fmt: skip
    return tokens, masses


@merge_matched.register_fake
def _empty_merge(
    x: Tensor,
    mass: Tensor | None,
    weight: Tensor | None,
    unmerged: Tensor,
    source: Tensor,
    target: Tensor,
    num_prefix: int,
) -> tuple[Tensor, Tensor]:
    batch, num_tokens, width = x.shape
    num_kept = num_tokens - source.shape[1]
    return x.new_empty(batch, num_kept, width), x.new_empty(batch, num_kept, dtype=torch.float32)


def _firsts(num_prefix: int) -> tuple[int, int]:
    """Where the first source and the first destination stand: even and odd positions of the whole sequence."""
    return num_prefix + num_prefix % 2, num_prefix + 1 - num_prefix % 2


def _counts(num_tokens: int, num_prefix: int) -> tuple[int, int]:
    """Sources and destinations."""
    first_source, first_destination = _firsts(num_prefix)
    return (num_tokens - first_source + 1) // 2, (num_tokens - first_destination + 1) // 2


def _on_device_of(x: Tensor) -> AbstractContextManager[Any]:
    return torch.cuda.device(x.device) if x.device.type == "cuda" else nullcontext()
