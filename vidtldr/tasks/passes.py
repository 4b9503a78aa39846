"""An evaluation as passes: what is done, what each leaves, what it all comes to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from vidtldr.results.samples import Sample
from vidtldr.storage.batch_store import BatchOutput

Outputs = Mapping[str, Sequence[BatchOutput]]
"""What passes left, by the name of the pass: the batches of all processes, in order."""


@dataclass(frozen=True)
class Pass:
    """One way through the data, batch by batch.

    Attributes:
        name: Names its folder in the store: ``videos``.
        caption: What is done, for people: ``encode videos``.
    """

    name: str
    caption: str


@dataclass(frozen=True)
class LaterPass(Pass):
    """A pass over what earlier passes left, such as re-ranking.

    Attributes:
        num_items: How many things there are to do.
        batch_size: Things whose outcome is kept together.
        run: From the number of a thing to its outcome, of one shape for all; outcomes are stacked in a last dimension.
    """

    num_items: int
    batch_size: int
    run: Callable[[int], Tensor]


@dataclass(frozen=True)
class Scores:
    """What an evaluation comes to.

    Attributes:
        metrics: Scores by name, most of them in percent.
        samples: Gives what came out for each sample; called once, and where somebody keeps it.
    """

    metrics: Mapping[str, Tensor]
    samples: Callable[[], list[Sample]]
