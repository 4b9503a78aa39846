"""Pools that attend to the last tokens, told how many input tokens each of these stands for.

SigLIP, V-JEPA 2 and timm's ViTs with ``global_pool="map"`` end in a learned query that attends to all tokens. There a
token of mass m has to weigh as much as m tokens, as it does inside the layers: the logarithm of its mass goes to its
score. Hooks on the pools put it there; the pools themselves stay as they are.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

TakeMass = Callable[[], Tensor | None]
"""Gives the masses ``[b, n]`` of the tokens that the last run of the blocks left; None means 1 each."""

_Arguments = tuple[Any, dict[str, Any]]


def weigh_attention_pools(model: nn.Module, take_mass: TakeMass) -> list[RemovableHandle]:
    """Let the attention pools of a model weigh tokens by their masses, until the hooks are removed.

    Args:
        model: What holds the pools; one that has none is left alone.
        take_mass: Asked each time a pool runs.

    Raises:
        ValueError: A pool takes no mask, through which it would be told.
    """
    handles = []
    for pool in model.modules():
        layers, mask, heads = _attending(pool)
        for layer in layers:
            _check_takes_mask(pool, layer)
            hook = partial(_add_log_mass, take_mass, mask, heads)
            handles.append(layer.register_forward_pre_hook(hook, with_kwargs=True))
        if type(pool).__name__ == "Siglip2MultiheadAttentionPoolingHead":
            handles.append(pool.register_forward_pre_hook(_leave_out_mask_of_the_grid, with_kwargs=True))
    return handles


def _attending(pool: nn.Module) -> tuple[list[nn.Module], str, int]:
    """The parts of a pool that attend to its tokens, what they call a mask, and for how many heads it is repeated."""
    match type(pool).__name__:
        case "SiglipMultiheadAttentionPoolingHead" | "Siglip2MultiheadAttentionPoolingHead":
            attention: Any = pool.attention
            return [attention], "attn_mask", attention.num_heads
        case "VJEPA2AttentivePooler":
            parts: Any = pool
            return [*parts.self_attention_layers, parts.cross_attention_layer], "attention_mask", 0
        case "AttentionPoolLatent":
            return [pool], "attn_mask", 0
    return [], "", 0


def _check_takes_mask(pool: nn.Module, layer: nn.Module) -> None:
    config = next((part.config for part in layer.modules() if hasattr(part, "config")), None)
    name = type(pool).__name__
    if name == "VJEPA2AttentivePooler" and getattr(config, "_attn_implementation", "") != "sdpa":
        raise ValueError(
            f"the {name} weighs tokens by their masses only with attn_implementation='sdpa': "
            "load the model with it, or set proportional_attention: false"
        )
    if name == "AttentionPoolLatent" and "attn_mask" not in inspect.signature(layer.forward).parameters:
        raise ValueError(f"the {name} of this timm takes no mask: update timm, or set proportional_attention: false")


def _add_log_mass(
    take_mass: TakeMass, mask: str, heads: int, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> _Arguments | None:
    mass = take_mass()
    if mass is None:
        return None
    bias = mass.log().to(args[0].dtype)[:, None, None, :]  # [b, 1, 1, n]: the same for all queries and heads
    if heads:
        bias = bias.expand(-1, heads, -1, -1).flatten(0, 1)  # nn.MultiheadAttention asks for [b * h, 1, n]
    return args, {**kwargs, mask: bias}


def _leave_out_mask_of_the_grid(head: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Arguments | None:
    """SigLIP 2 hands its head the mask of the whole grid; padding, which it could hide, the layers have refused."""
    tokens, *rest = args
    given = rest[0] if rest else kwargs.get("attention_mask")
    if given is None or given.shape[1] == tokens.shape[1]:
        return None
    return (tokens,), {**kwargs, "attention_mask": None}
