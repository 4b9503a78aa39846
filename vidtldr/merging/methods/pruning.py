"""Methods that drop tokens: what vid-TLDR is compared with in Tables 1 and 7 of its paper.

What remains has mass 1, keeps its order, and knows nothing of what is gone. Scores are float32 whatever the model runs
in; they only rank, so no gradient passes through them.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from vidtldr.merging.attention.attend import Statistic
from vidtldr.merging.methods.kinds import Dropping
from vidtldr.merging.registry import register


@dataclass(frozen=True)
class Pruning(Dropping):
    """Drop the tokens that attention ranks lowest; prefix tokens stay.

    Attributes:
        before: Where in a layer they go. Before the ``mlp``: after the layer's attention, which ranks them, as merging
            does. Before the ``layer``: the attention of the layer before ranks them; before the first layer none is
            known, and the tokens that go are spread evenly over the clip.
    """

    before: Literal["mlp", "layer"] = "mlp"

    def __post_init__(self) -> None:
        """Check the place beside the schedule."""
        super().__post_init__()
        if self.before not in ("mlp", "layer"):
            raise ValueError(f"before={self.before!r} is neither 'mlp' nor 'layer'")


@register
@dataclass(frozen=True)
class Attentiveness(Pruning):
    """Drop the tokens that receive the least attention, on the mean of heads and queries (Eq. 3)."""

    name: ClassVar[str] = "attentiveness"
    statistic: ClassVar[Statistic | None] = "attentiveness"


@register
@dataclass(frozen=True)
class Rollout(Pruning):
    """Drop the tokens of which the least arrives in the output, by attention rollout (Eq. 4).

    Rollout takes the attention of all layers, so the unreduced model runs once before the reduced one: every clip costs
    a whole forward pass more. The head-averaged maps of all layers are held until then: for UMT-B with 12 frames
    265 MB a clip, for UMT-L 531 MB.
    """

    name: ClassVar[str] = "rollout"
    needs_first_pass: ClassVar[bool] = True


@register
@dataclass(frozen=True)
class SaliencyPruning(Pruning):
    """Drop the least salient tokens: those whose attention is the least sharp (Eq. 5)."""

    name: ClassVar[str] = "saliency_pruning"
    statistic: ClassVar[Statistic | None] = "sharpness"
