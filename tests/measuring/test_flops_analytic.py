"""The formula against what fvcore counts on models that run."""

import pytest
import torch
from torch import nn

from vidtldr.cost import encoder_gflops
from vidtldr.measuring.flops_analytic import Tower, analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import (
    METHODS,
    Attentiveness,
    Base,
    Chain,
    Method,
    PiToMe,
    RandomDrop,
    RandomMerge,
    RepresentationShift,
    Rollout,
    RunLength,
    SaliencyPruning,
    SimilarDrop,
    ToMe,
    VidTLDR,
)
from vidtldr.models.towers import SigLIPSize
from vidtldr.models.towers.vision import SigLIPVisionEncoder
from vidtldr.models.tubelet import VideoTransformer
from vidtldr.models.umt import UMTVisionEncoder
from vidtldr.models.videomae import VideoMAE, VideoMAESize
from vidtldr.models.vifi_clip import CLIPVisionEncoder

EVERY_METHOD = [
    Base(),
    ToMe(3),
    ToMe([4, 0, 100], metric="tokens"),  # more than can merge
    VidTLDR([5, 3]),
    VidTLDR([0.3, 0, 0.2]),
    VidTLDR([5, 3], background_drop=False, sharpening=False),
    Attentiveness([5, 3]),
    Attentiveness([2, 0, 4], before="layer"),
    SaliencyPruning([0.3, 3]),
    SaliencyPruning([0, 100, 1], before="layer"),  # more than can go
    Rollout([5, 3]),
    Rollout([5, 3], before="layer"),
    VidTLDR([5, 3], score="shift"),
    VidTLDR([5, 3], entropy="per_head"),
    VidTLDR([5, 3], merge="mlerp", pooling="mass"),
    RandomDrop([5, 100]),
    RandomMerge([5, 100], merge="mlerp"),
    SimilarDrop([5, 100]),
    SimilarDrop(3, metric="tokens"),
    RepresentationShift([0.3, 3]),
    RepresentationShift(3),
    RepresentationShift([5, 3], branch="attention"),
    PiToMe([5, 0, 100]),
    PiToMe([5, 0, 100], pooling="mean"),
]
AT_INPUT = [
    RunLength(keep=0.6),
    RunLength(keep=1),
    Chain([RunLength(keep=0.6), VidTLDR([5, 3])]),
    Chain([RunLength(keep=0.7), Rollout([5, 3])]),
    Chain([RunLength(keep=0.7), RepresentationShift([5, 3])]),
]

SIGLIP_SIZE = SigLIPSize(width=48, depth=3, num_heads=3, mlp_width=200, patch_size=8)


@pytest.fixture(scope="module")
def towers() -> dict[str, nn.Module]:
    sizes = {"width": 48, "depth": 3, "num_heads": 3}
    return {
        "umt": UMTVisionEncoder(num_frames=5, image_size=48, **sizes),  # 45 tokens
        "umt of VQA": UMTVisionEncoder(num_frames=4, image_size=32, pool_norm=False, **sizes),
        "videomae": VideoMAE(VideoMAESize(mlp_ratio=3, **sizes), num_classes=7, num_frames=6, image_size=32),
        "clip": CLIPVisionEncoder(image_size=32, patch_size=8, joint_dim=20, **sizes),  # 16 tokens and the class's
        "siglip": SigLIPVisionEncoder(SIGLIP_SIZE, image_size=32),
        "clip, odd": CLIPVisionEncoder(image_size=24, patch_size=8, joint_dim=20, **sizes),
    }


def _example(encoder: nn.Module, count: int = 1) -> torch.Tensor:
    shape = encoder.patch_embed.input_shape if isinstance(encoder, VideoTransformer) else encoder.input_shape
    return torch.zeros(count, *shape)


def test_every_method_is_checked() -> None:
    assert {method.name for method in [*EVERY_METHOD, *AT_INPUT]} == set(METHODS)


@pytest.mark.parametrize("name", ["umt", "umt of VQA", "videomae", "clip", "siglip", "clip, odd"])
@pytest.mark.parametrize("method", EVERY_METHOD, ids=str)
@pytest.mark.filterwarnings("ignore:r=.*exceeds")
def test_the_formula_equals_the_count_to_the_digit(name: str, method: Method, towers: dict[str, nn.Module]) -> None:
    encoder = towers[name]
    if name == "siglip" and method.pooling == "mass":
        with pytest.raises(ValueError, match="needs a ViT that averages its tokens"):
            encoder_gflops(encoder, example=_example(encoder), method=method)
        return
    counted = encoder_gflops(encoder, example=_example(encoder), method=method)
    assert analytic_gflops(Tower.of(encoder), method) == pytest.approx(counted, rel=1e-13)


@pytest.mark.parametrize("name", ["umt", "umt of VQA", "videomae"])
@pytest.mark.parametrize("method", AT_INPUT, ids=str)
def test_the_formula_equals_the_count_of_what_goes_at_the_input(
    name: str, method: Method, towers: dict[str, nn.Module]
) -> None:
    encoder = towers[name]
    counted = encoder_gflops(encoder, example=_example(encoder), method=method)
    assert analytic_gflops(Tower.of(encoder), method) == pytest.approx(counted, rel=1e-13)


def test_a_cost_that_depends_on_the_clip_has_no_formula(towers: dict[str, nn.Module]) -> None:
    with pytest.raises(ValueError, match="with tau, how many tokens run_length leaves depends on the clip: give keep"):
        analytic_gflops(Tower.of(towers["umt"]), RunLength(tau=0.1))


def test_frames_that_are_encoded_one_by_one_add_up(towers: dict[str, nn.Module]) -> None:
    encoder, method = towers["clip"], Rollout([5, 3])
    counted = encoder_gflops(encoder, example=_example(encoder, 4), method=method)
    assert analytic_gflops(Tower.of(encoder, num_images=4), method) == pytest.approx(counted, rel=1e-13)


def test_the_formula_equals_the_count_at_full_size() -> None:
    with torch.device("meta"):
        encoder = UMTVisionEncoder(num_frames=1)
    encoder = encoder.to_empty(device="cpu").requires_grad_(False)
    for weight in encoder.state_dict(keep_vars=True).values():
        weight.zero_()  # quicker than random ones
    encoder.positions.zero_()
    for method in (Rollout([50, 20]), Attentiveness([0, 60], before="layer")):
        counted = encoder_gflops(encoder, example=_example(encoder), method=method)
        assert analytic_gflops(build_tower("umt_b", num_frames=1), method) == pytest.approx(counted, rel=1e-13)


@pytest.mark.parametrize(
    ("backbone", "options", "expected"),
    [
        ("umt_b", {"num_frames": 12}, 303.3434),
        ("umt_l", {"num_frames": 12}, 984.6241),
        ("videomae_b", {"num_frames": 16, "num_classes": 101}, 180.4892),
        ("vifi_clip_b16", {"num_frames": 32}, 562.6358),
        ("umt_b", {"num_frames": 4, "image_size": 96, "size": {"width": 128, "depth": 6, "num_heads": 4}}, 0.2171),
    ],
)
def test_towers_are_found_by_name(backbone: str, options: dict, expected: float) -> None:
    assert analytic_gflops(build_tower(backbone, **options)) == pytest.approx(expected, abs=1e-4)


def test_an_unknown_backbone_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown backbone 'umt_x': choose from .*umt_b, umt_l, videomae_s"):
        build_tower("umt_x", num_frames=4)


def test_a_schedule_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="r lists 13 layers, but the model has 12"):
        analytic_gflops(build_tower("umt_b", num_frames=4), VidTLDR([1] * 13))
