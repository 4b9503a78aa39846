"""Chance: what any method has to beat.

Which tokens it takes is a function of seed, clip and layer alone, see :mod:`vidtldr.merging.draws`.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vidtldr.merging.draws import uniform
from vidtldr.merging.method import LayerView, Reduction
from vidtldr.merging.methods.kinds import Dropping, Merging
from vidtldr.merging.pairing import pair_at_random
from vidtldr.merging.registry import register


@register
@dataclass(frozen=True)
class RandomDrop(Dropping):
    """Drop tokens at random.

    Attributes:
        seed: A whole number; another one takes other tokens. The same clip loses the same tokens in any batch and
            process.
    """

    name: ClassVar[str] = "random_drop"
    needs_clips: ClassVar[bool] = True

    seed: int = 0

    def __post_init__(self) -> None:
        """Check the seed beside the schedule."""
        super().__post_init__()
        _check_seed(self.seed)

    def score(self, view: LayerView) -> Tensor:
        """Random numbers."""
        return _draw(view, self.seed)


@register
@dataclass(frozen=True)
class RandomMerge(Merging):
    """Merge random tokens into random ones of those that stay, by the mean weighted by mass.

    Attributes:
        seed: A whole number; another one takes other tokens. The same clip merges the same tokens in any batch and
            process.
        proportional_attention: Add log mass to the attention scores of later layers, as ToMe does.
    """

    name: ClassVar[str] = "random_merge"
    needs_clips: ClassVar[bool] = True

    seed: int = 0
    proportional_attention: bool = True

    def __post_init__(self) -> None:
        """Check the seed beside the other options."""
        super().__post_init__()
        _check_seed(self.seed)

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Merge ``r`` random pairs; several sources may share a destination."""
        order, choice = _draw(view, self.seed), _draw(view, self.seed, draw=1)
        return self.merged(view, pair_at_random(order, choice, r, num_prefix=view.num_prefix))


def _draw(view: LayerView, seed: int, draw: int = 0) -> Tensor:
    assert view.clips is not None  # asked for by needs_clips
    return uniform(view.clips.keys, view.tokens.shape[1], seed=seed, layer=view.layer, draw=draw)


def _check_seed(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed!r} is not a whole number from 0 to {2**32 - 1}")
