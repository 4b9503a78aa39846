"""A head follows the data's numbering of its classes, and refuses classes that it does not know."""

import pytest
import torch
from torch import nn

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import order_of_classes, reorder_head


def test_a_head_tells_the_same_classes_in_the_order_of_the_data() -> None:
    stored, wanted = ["Apply lipstick", "Typing", "Handstand-pushups", "Diving"], ["HandstandPushups", "ApplyLipstick"]
    order = order_of_classes(stored, wanted, "m")
    assert order == [2, 0, 1, 3]
    head = nn.Linear(5, 4)
    features = torch.randn(3, 5)
    before = head(features)
    reorder_head(head, order)
    assert torch.equal(head(features), before[:, order])
    assert order_of_classes([stored[position] for position in order], wanted, "m") == [0, 1, 2, 3]


def test_classes_that_a_head_does_not_know_are_named() -> None:
    with pytest.raises(
        UserError, match=r"'m' does not tell 1 of the 2 classes of the data apart \(Sleeping\); its own"
    ):
        order_of_classes(["Typing", "Diving"], ["Typing", "Sleeping"], "m")
    with pytest.raises(UserError, match="'m' has 2 classes of 1 names only"):
        order_of_classes(["Typing", "typing!"], ["Typing"], "m")
