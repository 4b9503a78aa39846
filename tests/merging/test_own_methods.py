"""Mistakes in a method of one's own are told in a sentence."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import timm
import torch

from vidtldr.merging import Method, ToMe, merging
from vidtldr.merging.method import Reduction


@dataclass(frozen=True)
class GivesTokens(Method):
    name: ClassVar[str] = "gives_tokens"

    def reduce(self, view, r):
        return view.tokens


@dataclass(frozen=True)
class ReducesNothing(ToMe):
    name: ClassVar[str] = "reduces_nothing"

    def reduce(self, view, r):
        reduction = super().reduce(view, r)
        return Reduction(view.tokens, None, reduction.plan)


@pytest.mark.parametrize(
    ("method", "error", "sentence"),
    [
        (GivesTokens(r=4), TypeError, "reduce gave Tensor: it must give a Reduction or None"),
        (ReducesNothing(r=4), ValueError, "reduce gave 17 tokens with a plan that keeps 13"),
    ],
)
def test_what_reduce_gives_is_checked(method, error, sentence):
    model = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=3).eval()
    with pytest.raises(error, match=sentence), merging(model, method):
        model(torch.zeros(1, 3, 64, 64))
