"""Figure 6 of a small encoder: behind which layer tokens are shown, and what the captions say."""

import pytest
import torch

from vidtldr.figures.of_clip import Subject, merging_figure
from vidtldr.measuring.shown_clips import Clip
from vidtldr.merging import Method, ToMe, VidTLDR
from vidtldr.models.umt import UMTVisionEncoder


@pytest.fixture(scope="module")
def subject() -> Subject:
    torch.manual_seed(0)
    encoder = UMTVisionEncoder(num_frames=2, image_size=32, width=32, depth=4, num_heads=2).eval()  # 2 x 2 x 2
    return Subject(encoder, Clip("ring.mp4", torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)))


@pytest.mark.parametrize(
    ("methods", "captions"),
    [
        ({"a": ToMe(4), "b": VidTLDR((2,))}, ["4 tokens of 8 after layer 1", "6 tokens of 8 after layer 1"]),
        (
            {"a": ToMe((2, 0)), "b": VidTLDR((2, 0, 1))},
            ["6 tokens of 8 after layer 3", "5 tokens of 8 after layer 3"],
        ),
        ({"a": ToMe(4)}, ["1 token of 8 after layer 4"]),
    ],
)
def test_tokens_are_shown_after_the_last_layer_of_a_list(
    methods: dict[str, Method], captions: list[str], subject: Subject
) -> None:
    told = [
        row.caption.split(": ")[-1] for row in merging_figure(subject, methods).rows if " after layer " in row.caption
    ]
    assert told == captions


def test_the_layer_that_is_asked_for_wins(subject: Subject) -> None:
    _, row, *_ = merging_figure(subject, {"a": VidTLDR((2, 2))}, layer=0).rows
    assert row.caption.endswith(": 6 tokens of 8 after layer 1")
