"""Which code computes attention: chosen by device, or by the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Literal, get_args

import torch
from torch import Tensor

Backend = Literal["auto", "eager", "blocked", "triton"]
"""``eager`` materialises the map of every head and is the reference; ``blocked`` is PyTorch that takes some queries at
a time, on any device; ``triton`` is a pair of fused kernels for NVIDIA GPUs; ``auto`` is ``triton`` where it runs and
``blocked`` elsewhere. All give the same numbers up to rounding."""

_HAS_TRITON = find_spec("triton") is not None

_wanted: Backend = "auto"


@contextmanager
def attention_backend(name: Backend) -> Iterator[None]:
    """Compute attention with one backend inside a ``with`` block, in all threads.

    It concerns the layers that a method changes; those before the first merge run as the model's author wrote them.

    Args:
        name: One of :data:`Backend`.

    Raises:
        ValueError: There is no such backend, or Triton is not installed.
    """
    global _wanted
    if name not in get_args(Backend):
        raise ValueError(f"unknown attention backend {name!r}: choose from {', '.join(get_args(Backend))}")
    if name == "triton" and not _HAS_TRITON:
        raise ValueError("attention backend 'triton' needs Triton: pip install triton")
    before, _wanted = _wanted, name
    try:
        yield
    finally:
        _wanted = before


def choose_backend(query: Tensor, key: Tensor, value: Tensor, *, plain: bool) -> Literal["eager", "blocked", "triton"]:
    """The backend for these inputs.

    Args:
        query: ``[b, h, n, e]``.
        key: ``[b, h, n, e]``.
        value: ``[b, h, n, e]``.
        plain: What :func:`needs_plain_pytorch` says.

    Raises:
        ValueError: ``triton`` was asked for and cannot run on them.
    """
    if _wanted == "eager":
        return "eager"
    if torch.jit.is_tracing() or _wanted == "blocked" or not _HAS_TRITON:
        return "blocked"
    if _wanted == "auto" and (plain or query.device.type != "cuda"):
        return "blocked"
    from vidtldr.merging.attention.triton import why_not  # late: Triton is optional

    obstacle = "has neither gradients nor dropout" if plain else why_not(query, key, value)
    if obstacle is not None and _wanted == "triton":
        raise ValueError(f"attention backend 'triton' {obstacle}")
    return "triton" if obstacle is None else "blocked"


def needs_plain_pytorch(*inputs: Tensor | None, dropout: float) -> bool:
    """Whether fused code is out of the question: it has no gradients and no dropout, and a trace cannot look inside."""
    has_gradients = torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs)
    return has_gradients or dropout > 0 or torch.jit.is_tracing()


def small_kernels_run(x: Tensor, *others: Tensor | None) -> bool:
    """Whether matching and merging of tokens ``x`` take kernels of their own: where attention's own would run.

    Args:
        x: Tokens, ``[b, n, c]``.
        others: What else may want gradients.
    """
    if _wanted in ("eager", "blocked") or not _HAS_TRITON or (_wanted == "auto" and x.device.type != "cuda"):
        return False
    if needs_plain_pytorch(x, *others, dropout=0.0):
        return False
    from vidtldr.merging.attention.triton import why_not  # late: Triton is optional

    narrow = x[..., :1]  # heads have a greatest width, tokens have none
    return why_not(narrow, narrow, narrow) is None
