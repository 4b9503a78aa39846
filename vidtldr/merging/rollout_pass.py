"""The forward pass of the unreduced model that attention rollout needs before the one that counts.

A hook on the ViT runs it. What passes between the two runs (maps, then scores) lives in context variables, so threads
and nested models do not see each other's; the scores are taken out by the run that follows.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from vidtldr.merging.saliency import rollout

_maps: ContextVar[tuple[nn.Module, list[Tensor]] | None] = ContextVar("maps", default=None)
_scores: ContextVar[tuple[nn.Module, Tensor] | None] = ContextVar("scores", default=None)
_outputs: ContextVar[list[Any] | None] = ContextVar("outputs", default=None)


def run_first_pass(blocks: nn.Module, owner: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Run the ViT that holds blocks unreduced and leave its rollout scores for the run that follows.

    A forward pre-hook. The ViT's own ``forward`` is called, not the module: its hooks are for the run that counts.
    """
    maps: list[Tensor] = []
    token = _maps.set((blocks, maps))
    try:
        with torch.no_grad():
            output = owner.forward(*args, **kwargs)
    finally:
        _maps.reset(token)
        torch.clear_autocast_cache()  # weights cast without gradient must not serve the run that may need it
    _scores.set((blocks, rollout(maps)))
    kept = _outputs.get()
    if kept is not None:
        kept.append(output)


@contextmanager
def keep_outputs() -> Iterator[list[Any]]:
    """Collect what first passes return, which nobody needs: to count them whole, as a trace leaves out the unneeded."""
    kept: list[Any] = []
    token = _outputs.set(kept)
    try:
        yield kept
    finally:
        _outputs.reset(token)


def maps_to_fill(blocks: nn.Module) -> list[Tensor] | None:
    """Where these blocks put the head-averaged map of each layer, ``[b, n, n]``; ``None`` if no first pass runs."""
    entry = _maps.get()
    return entry[1] if entry is not None and entry[0] is blocks else None


def take_scores(blocks: nn.Module) -> Tensor:
    """The rollout scores ``[b, n]`` that the first pass of these blocks left.

    Raises:
        RuntimeError: There are none.
    """
    entry = _scores.get()
    _scores.set(None)
    if entry is None or entry[0] is not blocks:
        raise RuntimeError("attention rollout runs the model twice: call the model itself, not forward_features()")
    return entry[1]
