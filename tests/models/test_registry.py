"""Backbones by name."""

from typing import ClassVar

import pytest

from vidtldr.models.backbone import BACKBONES, Backbone, Classifier, register_backbone
from vidtldr.models.registry import build_encoder, find_backbone, find_classifier
from vidtldr.models.towers.sizes import CLIP_SIZES, SIGLIP_SIZES
from vidtldr.models.umt import UMT_SIZES
from vidtldr.models.videomae import VIDEOMAE_SIZES
from vidtldr.models.vifi_clip import VIFI_CLIP_SIZES


def test_every_published_size_is_registered_and_videomae_classifies() -> None:
    published = [*UMT_SIZES, *VIDEOMAE_SIZES, *VIFI_CLIP_SIZES, *CLIP_SIZES, *SIGLIP_SIZES]
    assert sorted(BACKBONES) == sorted(published)
    assert [name for name, family in BACKBONES.items() if isinstance(family, Classifier)] == list(VIDEOMAE_SIZES)


def test_single_values_of_a_size_are_changed() -> None:
    assert find_backbone("umt_l")[1] == UMT_SIZES["umt_l"]
    assert find_classifier("videomae_b", {"depth": 3})[1].depth == 3


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("umt_x", {}, "unknown backbone 'umt_x': choose from .*umt_b, umt_l, videomae_s"),
        ("umt_b", {"deep": 3}, "umt_b has no size 'deep': it has width, depth"),
        ("no_such_module.toy", {}, "cannot import 'no_such_module' for backbone 'no_such_module.toy': No module"),
        ("vidtldr.toy", {}, r"unknown backbone 'vidtldr\.toy': choose from .*umt_b"),
    ],
)
def test_a_bad_name_is_answered_in_a_sentence(name: str, size: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_encoder(name, size=size, num_frames=4)


def test_clips_of_frames_that_are_encoded_alone_are_their_frames() -> None:
    size = {"width": 16, "depth": 1, "num_heads": 2}
    alone = build_encoder("vifi_clip_b16", size=size, num_frames=5, image_size=32)
    together = build_encoder("umt_b", size=size, num_frames=5, image_size=32)
    assert alone.blank_clips(2).shape == (10, 3, 32, 32)
    assert together.blank_clips(2).shape == (2, 3, 5, 32, 32)


def test_a_name_that_is_taken_is_refused() -> None:
    before = dict(BACKBONES)

    with pytest.raises(ValueError, match=r"the backbone 'umt_b' of .*Another is one of UMTBackbone already"):

        @register_backbone
        class Another(Backbone):
            sizes: ClassVar = {"new": None, "umt_b": None}

            def build(self, size, options):
                raise AssertionError("never built")

    assert before == BACKBONES
