"""What goes where in a layer: a plan says which tokens stay and what becomes of the others.

A rule makes a plan once; it is then applied to features, masses, scores and source maps alike. Whoever applies one need
not know whether it merges or drops.

Notation: b clips, n tokens of which the first p are prefix tokens (class, registers), s source and d destination
tokens with ``p + s + d = n``, r tokens that go.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from vidtldr.merging.tokens import take_tokens


class Plan(ABC):
    """Which tokens of a layer stay, in which order, and where the others end.

    Attributes:
        num_tokens: Tokens before, n.
    """

    num_tokens: int

    @abstractmethod
    def origins(self) -> tuple[Tensor, Tensor]:
        """Where tokens stood that stay, in their new order, ``[b, n - r]``, and that go, ``[b, r]``."""

    @abstractmethod
    def heirs(self) -> Tensor:
        """Which token stands for each of those that go afterwards, ``[b, r]``, int64; -1 where none does."""

    @property
    def num_kept(self) -> int:
        """Tokens that stay, ``n - r``."""
        return self.num_tokens - self.heirs().shape[1]

    def check_fits(self, x: Tensor) -> None:
        """Raise ValueError if ``[b, n, ...]`` has another number of tokens than the plan was made for."""
        if x.shape[1] != self.num_tokens:
            raise ValueError(f"a plan for {self.num_tokens} tokens cannot be applied to {x.shape[1]} tokens")

    def take(self, x: Tensor) -> Tensor:
        """What the tokens that stay had before: ``[b, n, ...]`` to ``[b, n - r, ...]``.

        Raises:
            ValueError: The plan was made for another number of tokens.
        """
        self.check_fits(x)
        return take_tokens(x, self.origins()[0])

    def positions(self) -> Tensor:
        """Where each token stands afterwards, ``[b, n]``, int64: its own place, its heir's, or -1 for nowhere."""
        kept, gone = self.origins()
        batch, num_kept = kept.shape
        places = torch.arange(num_kept, device=kept.device).expand(batch, -1)
        positions = torch.empty(batch, self.num_tokens, dtype=torch.int64, device=kept.device)
        return positions.scatter_(1, kept, places).scatter_(1, gone, self.heirs())

    def follow(self, owner: Tensor) -> Tensor:
        """Where to find afterwards what stood at ``owner``, any ``[b, m]`` with -1 for nowhere."""
        return self.positions().gather(1, owner.clamp(min=0)).masked_fill(owner < 0, -1)


@dataclass(frozen=True)
class MergePlan(Plan):
    """Which source token merges into which destination.

    Positions 0, 2, 4, ... of the whole sequence are sources and 1, 3, 5, ... destinations; prefix tokens are neither.
    After the merge the order is: prefix, unmerged sources, destinations.

    Attributes:
        num_tokens: Tokens before the merge, n.
        num_prefix: Prefix tokens, p; they stay in front, untouched.
        unmerged: Sources that stay, ``[b, s - r]``, int64, counted among the sources.
        source: Sources that merge, ``[b, r]``, int64, counted among the sources, most similar first.
        target: The destination of each of them, ``[b, r]``, int64, counted among the destinations.
    """

    num_tokens: int
    num_prefix: int
    unmerged: Tensor
    source: Tensor
    target: Tensor

    @property
    def num_merged(self) -> int:
        """Tokens that disappear, r."""
        return self.source.shape[1]

    @property
    def first_destination(self) -> int:
        """Where the destinations begin after the merge."""
        return self.num_prefix + self.unmerged.shape[1]

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cut ``[b, n, ...]`` into prefix ``[b, p, ...]``, sources ``[b, s, ...]`` and destinations ``[b, d, ...]``.

        Raises:
            ValueError: The plan was made for another number of tokens.
        """
        self.check_fits(x)
        return split_tokens(x, self.num_prefix)

    def origins(self) -> tuple[Tensor, Tensor]:
        """Where the tokens after the merge stood before it, ``[b, n - r]``, and the merged sources, ``[b, r]``."""
        positions = torch.arange(self.num_tokens, device=self.source.device).expand(len(self.source), -1)
        prefix, sources, destinations = split_tokens(positions, self.num_prefix)
        kept = torch.cat([prefix, sources.gather(1, self.unmerged), destinations], dim=1)
        return kept, sources.gather(1, self.source)

    def heirs(self) -> Tensor:
        """The destinations, as they stand after the merge, ``[b, r]``."""
        return self.target + self.first_destination


@dataclass(frozen=True)
class PairPlan(Plan):
    """Which token merges into which, wherever the two stand.

    Attributes:
        num_tokens: Tokens before the merge, n.
        kept: Positions of the tokens that stay, prefix included, ``[b, n - r]``, int64, ascending.
        source: Positions of those that merge, ``[b, r]``, int64.
        target: Position of the token that each of them merges into, ``[b, r]``, int64; all are kept.
    """

    num_tokens: int
    kept: Tensor
    source: Tensor
    target: Tensor

    def origins(self) -> tuple[Tensor, Tensor]:
        """Where the tokens stood that stay, ``[b, n - r]``, and that merge, ``[b, r]``."""
        return self.kept, self.source

    def heirs(self) -> Tensor:
        """The destinations, as they stand after the merge, ``[b, r]``."""
        return torch.searchsorted(self.kept, self.target)


@dataclass(frozen=True)
class PrunePlan(Plan):
    """Which tokens stay; the others are gone, and nothing stands for them.

    Attributes:
        num_tokens: Tokens before, n.
        kept: Positions of the tokens that stay, prefix included, ``[b, n - r]``, int64, ascending.
        dropped: Positions of those that go, ``[b, r]``, int64, lowest score first.
    """

    num_tokens: int
    kept: Tensor
    dropped: Tensor

    def origins(self) -> tuple[Tensor, Tensor]:
        """Where the tokens stood that stay, ``[b, n - r]``, and that are gone, ``[b, r]``."""
        return self.kept, self.dropped

    def heirs(self) -> Tensor:
        """None: -1 for each, ``[b, r]``."""
        return torch.full_like(self.dropped, -1)


def split_tokens(x: Tensor, num_prefix: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut ``[b, n, ...]`` into prefix, sources and destinations; views."""
    # Even and odd are counted over the whole sequence, prefix included, as in ToMe's official code.
    first_even = num_prefix + num_prefix % 2
    first_odd = num_prefix + 1 - num_prefix % 2
    return x[:, :num_prefix], x[:, first_even::2], x[:, first_odd::2]
