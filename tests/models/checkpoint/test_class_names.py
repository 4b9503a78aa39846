"""A head follows the data's numbering of its classes, and refuses classes that it does not know."""

import pytest
import torch
from torch import nn

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import follow_classes

_STORED = ["Apply lipstick", "Typing", "Handstand-pushups", "Diving"]


def test_a_head_tells_the_same_classes_in_the_order_of_the_data() -> None:
    head = nn.Linear(5, 4)
    features = torch.randn(3, 5)
    before = head(features)
    classes = follow_classes(head, _STORED, ["HandstandPushups", "ApplyLipstick"], "m")
    assert classes == ["Handstand-pushups", "Apply lipstick", "Typing", "Diving"]
    assert torch.equal(head(features), before[:, [2, 0, 1, 3]])
    again = follow_classes(head, classes, ["HandstandPushups", "ApplyLipstick"], "m")  # of the next method
    assert again == classes
    assert torch.equal(head(features), before[:, [2, 0, 1, 3]])


def test_data_without_names_leave_the_head_alone_and_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    head = nn.Linear(5, 4)
    before = head.weight.clone()
    assert follow_classes(head, _STORED, None, "m") == _STORED
    assert torch.equal(head.weight, before)
    assert "m names its classes, but the data do not" in caplog.text


def test_classes_that_a_head_does_not_know_are_named() -> None:
    with pytest.raises(
        UserError, match=r"'m' does not tell 1 of the 2 classes of the data apart \(Sleeping\); its own"
    ):
        follow_classes(nn.Linear(5, 2), ["Typing", "Diving"], ["Typing", "Sleeping"], "m")
    with pytest.raises(UserError, match="'m' has one class for two of the data"):
        follow_classes(nn.Linear(5, 2), ["Typing", "Diving"], ["Typing", "typing"], "m")
    with pytest.raises(UserError, match="'m' has 2 classes of 1 names only"):
        follow_classes(nn.Linear(5, 2), ["Typing", "typing!"], ["Typing"], "m")
