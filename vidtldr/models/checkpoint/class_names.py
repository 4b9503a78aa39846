"""The classes of a head by their names: a data set may number the same classes in another order."""

import logging
from collections.abc import Sequence

import torch
from torch import nn

from vidtldr.errors import UserError
from vidtldr.models.checkpoint.sentences import first_few

_log = logging.getLogger(__name__)


def follow_classes(head: nn.Linear, stored: Sequence[str], wanted: Sequence[str] | None, source: str) -> list[str]:
    """Let a head tell its classes in the order of a data set.

    Args:
        head: Its output ``i`` is the class ``stored[i]``; changed in place.
        stored: Its classes.
        wanted: The data's classes; None where the data do not name them, which is said.
        source: The checkpoint, for messages.

    Returns:
        The head's classes in their order from now on.

    Raises:
        UserError: The head lacks a class of the data, or has two of one name.
    """
    if wanted is None:
        _log.warning("%s names its classes, but the data do not: their numbers are taken to mean the same", source)
        return list(stored)
    order = _order(stored, wanted, source)
    rows = torch.tensor(order, device=head.weight.device)
    with torch.no_grad():
        for parameter in (head.weight, head.bias):
            parameter.copy_(parameter[rows])
    return [stored[position] for position in order]


def _order(stored: Sequence[str], wanted: Sequence[str], source: str) -> list[int]:
    """Where each class of a data set stands in a head, and after them the head's other classes.

    Names are compared without case, blanks and punctuation, in which data sets and hubs differ: ``ApplyEyeMakeup`` is
    ``apply eye makeup``.

    Args:
        stored: The head's classes in its order.
        wanted: The data's classes in theirs.
        source: The checkpoint, for the message.

    Raises:
        UserError: The head lacks a class of the data, or either has two of one name.
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
    if len(set(order)) < len(order):
        raise UserError(f"checkpoint '{source}' has one class for two of the data, whose names are all but the same")
    return order + sorted(set(positions.values()) - set(order))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
