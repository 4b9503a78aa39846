"""Representation Shift: what a layer hardly moves can go. No attention map is needed."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from vidtldr.merging.method import Reading
from vidtldr.merging.methods.kinds import Dropping
from vidtldr.merging.registry import register


@register
@dataclass(frozen=True)
class RepresentationShift(Dropping):
    """Representation Shift (arXiv:2508.00367): drop the tokens that a branch of the layer moves least.

    The shift of a token is the length of what the branch adds to it.

    Attributes:
        branch: Which one: the ``mlp`` (the authors' choice; tokens go after it, so that the next layer is the first
            to be cheaper) or the ``attention`` (tokens go before the MLP of the same layer).
    """

    name: ClassVar[str] = "representation_shift"

    branch: Literal["mlp", "attention"] = "mlp"

    def __post_init__(self) -> None:
        """Check the branch beside the schedule."""
        super().__post_init__()
        if self.branch not in ("mlp", "attention"):
            raise ValueError(f"branch={self.branch!r} is neither 'mlp' nor 'attention'")

    @property
    def statistic(self) -> Reading:  # type: ignore[override]
        """The shift of the branch."""
        return "mlp_shift" if self.branch == "mlp" else "attention_shift"

    @property
    def before(self) -> str:  # type: ignore[override]
        """Where the shift is known."""
        return "next" if self.branch == "mlp" else "mlp"
