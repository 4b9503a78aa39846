"""The classes of a head by their names: a data set may number the same classes in another order."""

from collections.abc import Sequence

import torch
from torch import nn

from vidtldr.errors import UserError
from vidtldr.models.checkpoint.sentences import first_few


def order_of_classes(stored: Sequence[str], wanted: Sequence[str], source: str) -> list[int]:
    """Where each class of a data set stands in a head, and after them the head's other classes.

    Names are compared without case, blanks and punctuation, in which data sets and hubs differ: ``ApplyEyeMakeup`` is
    ``apply eye makeup``.

    Args:
        stored: The head's classes in its order.
        wanted: The data's classes in theirs.
        source: The checkpoint, for the message.

    Raises:
        UserError: The head lacks a class of the data, or has two of one name.

    >>> order_of_classes(["run", "jump", "sit"], ["Sit", "Run"], "m.pth")
    [2, 0, 1]
    """
    positions = {_plain(name): position for position, name in enumerate(stored)}
    if len(positions) < len(stored):
        raise UserError(f"checkpoint '{source}' has {len(stored)} classes of {len(positions)} names only")
    lacking = [name for name in wanted if _plain(name) not in positions]
    if lacking:
        raise UserError(
            f"checkpoint '{source}' does not tell {len(lacking)} of the {len(wanted)} classes of the data apart "
            f"({first_few(lacking)}); its own are {first_few(stored)}"
        )
    order = [positions[_plain(name)] for name in wanted]
    return order + sorted(set(positions.values()) - set(order))


def reorder_head(head: nn.Linear, order: Sequence[int]) -> None:
    """Let a head tell the same classes in another order: its new output ``i`` is its former ``order[i]``."""
    rows = torch.tensor(order, device=head.weight.device)
    with torch.no_grad():
        for parameter in (head.weight, head.bias):
            if parameter is not None:
                parameter.copy_(parameter[rows])


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
