"""What a layer gets beside its tokens: rotations or positions that belong to each token.

A model works them out once, for the tokens of the whole grid. Where tokens go, those of the others have to be taken
along: a token that stays keeps its own position, and so does the one that others merge into.
"""

from torch import Tensor

from vidtldr.merging.plans import Plan

Side = tuple[Tensor, ...]
"""One tensor ``[b, n, ...]`` for each thing that belongs to the tokens, prefix included; empty if there is none."""


def take_side(side: Side, plan: Plan) -> Side:
    """The side of the tokens that stay: ``[b, n, ...]`` each, to ``[b, n - r, ...]``.

    Raises:
        ValueError: The plan was made for another number of tokens.
    """
    return tuple(plan.take(tensor) for tensor in side)


def refuse_mask(mask: Tensor | None, *, causal: bool = False) -> None:
    """Raise ValueError if attention is masked: a mask names pairs of tokens of the grid, which merging changes."""
    if mask is not None or causal:
        raise ValueError(
            "token merging takes no attention mask: call the model without one, "
            "and pass clips that need padding one at a time"
        )
