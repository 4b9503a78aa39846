"""Attention and its statistics on a GPU: two Triton kernels, neither of which writes a map of all heads.

The first is flash attention with the logarithm of the mass on the keys; beside the output it keeps, for each head and
query, the log-sum-exp of the plain scores. The second takes the map tile by tile, rebuilds every head's probabilities
in a tile from that number, averages them over the heads and reduces the mean to what was asked for. Both accumulate in
float32.

``TRITON_INTERPRET=1``, set before Triton is imported, runs them on a CPU, slowly.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from vidtldr.merging.attention.triton_kernels import (
    ATTENTIVENESS,
    LOG2_E,
    MAP,
    SHARPNESS,
    flash_kernel,
    statistic_kernel,
)

_MAX_WIDTH = 128
_STATISTICS = {"sharpness": SHARPNESS, "attentiveness": ATTENTIVENESS, "map": MAP}
_DTYPES = (torch.float16, torch.bfloat16, torch.float32)


class Tile(NamedTuple):
    """How a kernel cuts its work.

    Attributes:
        queries: Queries of a program.
        keys: Keys that it takes at once.
        num_warps: Warps of a program.
        num_stages: Loads in flight.
    """

    queries: int
    keys: int
    num_warps: int
    num_stages: int


class Tiles(NamedTuple):
    """How each kernel cuts its work.

    Attributes:
        plain: Attention without masses.
        weighted: Attention with masses.
        statistic: The statistic of the map.
    """

    plain: Tile
    weighted: Tile
    statistic: Tile


def _alike(tile: Tile) -> Tiles:
    return Tiles(tile, tile, tile)


# By bytes of an element and width of a head, padded. Those of half precision and width 64 were the fastest of twelve
# on an H200, for 1,452 to 2,352 tokens and 1 to 32 clips. The others were chosen by what compilers report: none takes
# more than the 99 KiB of shared memory that compute capability 8.0, 8.9 and 9.0 have, and none spills registers but
# those of float32.
TILES = {
    (2, 64): Tiles(
        plain=Tile(queries=128, keys=64, num_warps=8, num_stages=3),
        weighted=Tile(queries=128, keys=64, num_warps=4, num_stages=3),
        statistic=Tile(queries=64, keys=64, num_warps=4, num_stages=3),
    ),
    (2, 128): _alike(Tile(queries=128, keys=64, num_warps=8, num_stages=2)),
    (4, 64): _alike(Tile(queries=64, keys=32, num_warps=4, num_stages=2)),
    (4, 128): _alike(Tile(queries=32, keys=32, num_warps=4, num_stages=2)),
}


def why_not(query: Tensor, key: Tensor, value: Tensor) -> str | None:
    """What keeps the kernels from running on these, as the end of a sentence; ``None`` if nothing does."""
    if query.device.type != "cuda" and not _interpreted():
        return f"runs on a GPU, not on {query.device}"
    if query.device.type == "cuda" and (torch.version.hip or torch.cuda.get_device_properties(query.device).major < 8):
        return "needs an NVIDIA GPU of compute capability 8.0 or newer"
    if value.dtype not in _DTYPES:
        return f"takes float16, bfloat16 and float32, not {value.dtype}"
    if value.dtype == torch.bfloat16 and _interpreted():
        return "takes no bfloat16 in Triton's interpreter"
    if query.shape[-1] > _MAX_WIDTH or value.shape[-1] != query.shape[-1]:
        return f"takes heads of one width up to {_MAX_WIDTH}, not {query.shape[-1]} and {value.shape[-1]}"
    return None


def attend_with_triton(
    query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None, statistic: str | None
) -> tuple[Tensor, Tensor | None]:
    """Output and statistic as ``attend`` defines them, without gradients.

    Args:
        query: ``[b, h, n, e]``; float16, bfloat16 or float32, of any strides.
        key: ``[b, h, n, e]``.
        value: ``[b, h, n, e]``.
        scale: Factor on the scores.
        log_mass: Logarithm of each key's mass, ``[b, n]``, or ``None``.
        statistic: ``sharpness``, ``attentiveness``, ``map`` or ``None``.

    Returns:
        The output, ``[b, h, n, e]`` in the dtype of the values, laid out as ``[b, n, h, e]``; and the statistic,
        ``[b, n]`` or ``[b, n, n]``, float32, or ``None``.
    """
    # Where norms of query and key leave float32 behind under autocast, fused attention goes back to half as well.
    query, key = query.to(value.dtype), key.to(value.dtype)
    output, log_sum_exp = flash(query, key, value, scale, log_mass)
    return output, None if statistic is None else read_attention(query, key, log_sum_exp, scale, statistic)


@torch.library.custom_op("vidtldr::flash", mutates_args=())
def flash(query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attention with mass, and the log-sum-exp of the scores without it, ``[b, h, n]``, float32, in units of log 2."""
    output, log_sum_exp = _empty_flash(query, key, value, scale, log_mass)
    batch, heads, num_tokens, _ = query.shape
    masses = query if log_mass is None else log_mass.float().contiguous()  # any pointer will do where none is read
    tiles = tiles_of(query)
    tile = tiles.plain if log_mass is None else tiles.weighted
    num_blocks = triton.cdiv(num_tokens, tile.queries)
    with _on_device_of(query):
        flash_kernel[(num_blocks * heads * batch,)](
            query, key, value, masses, output, log_sum_exp,
            *query.stride(), *key.stride(), *value.stride(), *output.stride()[:3],
            heads, num_tokens, scale * LOG2_E.value,
            HAS_MASS=log_mass is not None, **_constants(query, tile),
        )  # fmt: skip
    return output, log_sum_exp


@flash.register_fake
def _empty_flash(
    query: Tensor, key: Tensor, value: Tensor, scale: float, log_mass: Tensor | None
) -> tuple[Tensor, Tensor]:
    batch, heads, num_tokens, width = value.shape
    output = value.new_empty(batch, num_tokens, heads, width).transpose(1, 2)
    return output, query.new_empty(batch, heads, num_tokens, dtype=torch.float32)


@torch.library.custom_op("vidtldr::read_attention", mutates_args=())
def read_attention(query: Tensor, key: Tensor, log_sum_exp: Tensor, scale: float, statistic: str) -> Tensor:
    """A statistic of the head-averaged attention, from the log-sum-exp that :func:`flash` returns."""
    batch, heads, num_tokens, _ = query.shape
    tile = tiles_of(query).statistic
    query_blocks, key_blocks = triton.cdiv(num_tokens, tile.queries), triton.cdiv(num_tokens, tile.keys)
    parts = {"sharpness": key_blocks, "attentiveness": query_blocks, "map": num_tokens}[statistic]
    result = query.new_empty(batch, parts, num_tokens, dtype=torch.float32)
    with _on_device_of(query):
        statistic_kernel[(query_blocks * key_blocks * batch,)](
            query, key, log_sum_exp, result,
            *query.stride(), *key.stride(), heads, num_tokens, scale * LOG2_E.value,
            STATISTIC=_STATISTICS[statistic].value, **_constants(query, tile),
        )  # fmt: skip
    if statistic == "sharpness":
        return result.sum(dim=1)
    return result.sum(dim=1) / num_tokens if statistic == "attentiveness" else result


@read_attention.register_fake
def _(query: Tensor, key: Tensor, log_sum_exp: Tensor, scale: float, statistic: str) -> Tensor:
    batch, _, num_tokens, _ = query.shape
    shape = (batch, num_tokens, num_tokens) if statistic == "map" else (batch, num_tokens)
    return query.new_empty(shape, dtype=torch.float32)


def tiles_of(query: Tensor) -> Tiles:
    """The tiles that are used for these queries."""
    return TILES[_tile_key(query)]


def with_tile(tile: Tile, query: Tensor, run: Callable[[], object]) -> Callable[[], object]:
    """The same call with another tile of all kernels for queries such as these, for measuring."""

    def tiled() -> object:
        before, TILES[_tile_key(query)] = tiles_of(query), _alike(tile)
        try:
            return run()
        finally:
            TILES[_tile_key(query)] = before

    return tiled


def _tile_key(query: Tensor) -> tuple[int, int]:
    return query.element_size(), 64 if query.shape[-1] <= 64 else 128


def _constants(query: Tensor, tile: Tile) -> dict[str, Any]:
    """Keyword arguments that both kernels take."""
    width = query.shape[-1]
    return {
        "WIDTH": width,
        "PADDED": max(16, triton.next_power_of_2(width)),  # the least that a product takes
        "QUERIES": tile.queries,
        "KEYS": tile.keys,
        "num_warps": tile.num_warps,
        "num_stages": tile.num_stages,
    }


def _interpreted() -> bool:
    return not isinstance(flash_kernel, triton.JITFunction)


def _on_device_of(x: Tensor) -> AbstractContextManager[Any]:
    return torch.cuda.device(x.device) if x.device.type == "cuda" else nullcontext()
