"""The last mean of a ViT over its tokens, weighted by their masses.

A ViT norms its tokens, averages them, and norms the mean (timm's ``norm``, ``pool``, ``fc_norm``; either norm may be
the identity). Hooks on the two norms put the weighted mean in place of the plain one. The tokens themselves stay as
they are, for whoever reads them beside the mean.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vidtldr.merging.tokens import at_least_float32

_mass: ContextVar[tuple[nn.Module, Tensor] | None] = ContextVar("mass", default=None)
_pooled: ContextVar[tuple[nn.Module, Tensor] | None] = ContextVar("pooled", default=None)


def weight_the_mean(owner: nn.Module, blocks: nn.Module, num_prefix: int) -> list[RemovableHandle]:
    """Let a ViT weight its mean by what its blocks leave, until the hooks are removed.

    A ViT that reads a class token takes no mean, and is left alone.

    Raises:
        ValueError: The ViT pools in another way, or has no norms to hook on.
    """
    pool = getattr(owner, "global_pool", None)
    if pool == "token":
        return []
    norm, pooled_norm = owner._modules.get("norm"), owner._modules.get("fc_norm")
    if pool != "avg" or norm is None or pooled_norm is None:
        raise ValueError(f"pooling='mass' needs a ViT that averages its tokens, which {type(owner).__name__} does not")
    return [
        norm.register_forward_hook(partial(_pool, blocks, num_prefix)),
        pooled_norm.register_forward_pre_hook(partial(_replace, blocks)),
    ]


def leave_mass(blocks: nn.Module, mass: Tensor | None) -> None:
    """Leave the masses ``[b, n]`` of the tokens that these blocks give; ``None`` means 1 each."""
    _mass.set(None if mass is None else (blocks, mass))
    _pooled.set(None)


def mass_left_by(blocks: nn.Module) -> Tensor | None:
    """The masses ``[b, n]`` that these blocks left last, or ``None`` for 1 each."""
    entry = _mass.get()
    return entry[1] if entry is not None and entry[0] is blocks else None


def weighted_mean(tokens: Tensor, mass: Tensor) -> Tensor:
    """Mean of tokens ``[b, n, c]`` weighted by mass ``[b, n]``, ``[b, c]``, computed in at least float32."""
    weight = mass / mass.sum(dim=1, keepdim=True)
    mean: Tensor = (at_least_float32(tokens) * weight.unsqueeze(-1)).sum(dim=1)
    return mean.to(tokens.dtype)


def _pool(blocks: nn.Module, num_prefix: int, norm: nn.Module, args: Sequence[Any], tokens: Tensor) -> None:
    entry = _mass.get()
    _mass.set(None)
    if entry is not None and entry[0] is blocks:
        _pooled.set((blocks, weighted_mean(tokens[:, num_prefix:], entry[1][:, num_prefix:])))


def _replace(blocks: nn.Module, norm: nn.Module, args: Sequence[Any]) -> Tensor | None:
    entry = _pooled.get()
    _pooled.set(None)
    return entry[1] if entry is not None and entry[0] is blocks else None
