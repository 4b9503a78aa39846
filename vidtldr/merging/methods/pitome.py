"""PiToMe: tokens that stand alone are protected."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from vidtldr.merging.method import LayerView, Reduction
from vidtldr.merging.methods.kinds import Merging
from vidtldr.merging.pairing import pair_by_energy
from vidtldr.merging.registry import register


@register
@dataclass(frozen=True)
class PiToMe(Merging):
    """PiToMe (arXiv:2405.16148): only tokens that are like many others merge.

    As in the paper, in all layers; the authors' code for MAE models takes another rule in the second half of them.
    Mass weights means, the last one included, and is not added to attention.

    Attributes:
        margin: Similarity below which tokens count as unlike, in the first layer; it falls linearly with depth
            towards 0. The authors take 0.75 for MAE models and 0.95 for CLIP.
    """

    name: ClassVar[str] = "pitome"

    # Facts of this method, and for the second another default.
    proportional_attention = False
    pooling: Literal["mean", "mass"] = "mass"

    margin: float = 0.75

    def __post_init__(self) -> None:
        """Check the margin beside the other options."""
        super().__post_init__()
        if not -1 <= self.margin <= 1:
            raise ValueError(f"margin={self.margin!r} is not between -1 and 1, as cosines are")

    @property
    def matched_by(self) -> Literal["keys", "tokens"]:
        """The keys."""
        return "keys"

    def similarities(self, num_tokens: int, num_prefix: int = 0) -> int:
        """Every unprotected token with every other, and with itself."""
        return (num_tokens - num_prefix) ** 2

    def reduce(self, view: LayerView, r: int) -> Reduction | None:
        """Merge ``r`` pairs of the tokens with the most energy."""
        assert view.keys is not None  # merging happens after attention
        margin = self.margin * (1 - view.layer / view.depth)
        keys = view.keys.float().mean(dim=1)
        return self.merged(view, pair_by_energy(keys, r, margin=margin, num_prefix=view.num_prefix))
