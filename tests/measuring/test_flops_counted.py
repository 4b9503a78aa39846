"""GFLOPs against the paper's figures, the formula, and an unfused count."""

import dataclasses
import itertools

import pytest
import timm
import torch
from timm.models import VisionTransformer

from vidtldr.cost import encoder_gflops
from vidtldr.measuring.flops_analytic import Tower, analytic_gflops
from vidtldr.measuring.flops_counted import encoder_cost
from vidtldr.merging import Attentiveness, Base, Method, Rollout, SaliencyPruning, ToMe, VidTLDR, apply, merging
from vidtldr.merging.patch import _MergingBlocks
from vidtldr.models.tubelet import VideoTransformer
from vidtldr.models.umt import UMT_SIZES, UMTVisionEncoder
from vidtldr.models.videomae import VIDEOMAE_SIZES, VideoMAE
from vidtldr.models.vifi_clip import CLIPVisionEncoder


def _umt(name: str, num_frames: int) -> UMTVisionEncoder:
    size = UMT_SIZES[name]
    return UMTVisionEncoder(num_frames=num_frames, width=size.width, depth=size.depth, num_heads=size.num_heads)


@pytest.fixture(scope="module")
def umt_b() -> UMTVisionEncoder:
    return _umt("umt_b", 12)


@pytest.fixture(scope="module")
def videomae_b() -> VideoMAE:
    return VideoMAE(VIDEOMAE_SIZES["videomae_b"], num_classes=101)


def _gflops(encoder: VideoTransformer, method: Method | None = None) -> float:
    return encoder_gflops(encoder, example=torch.zeros(1, *encoder.patch_embed.input_shape), method=method)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (None, 303.3),  # Table 2
        (VidTLDR([600, 200, 100]), 178.0),  # Table 2, MSR-VTT
        (VidTLDR([500, 200, 100, 100]), 182.2),  # Table 2, MSVD
        (ToMe(77), 231.6),
    ],
)
def test_umt_b_with_12_frames_costs_what_the_paper_says(
    umt_b: UMTVisionEncoder, method: Method | None, expected: float
) -> None:
    assert _gflops(umt_b, method) == pytest.approx(expected, abs=0.1)


def test_umt_b_with_4_frames_costs_what_the_paper_says() -> None:
    assert _gflops(_umt("umt_b", 4)) == pytest.approx(78.5, abs=0.1)


@pytest.mark.slow
def test_umt_l_costs_what_the_paper_says() -> None:
    assert _gflops(_umt("umt_l", 12)) == pytest.approx(984.6, abs=0.1)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (None, 180.5),
        (ToMe(200, metric="tokens"), 58.4),
        (VidTLDR([650, 200, 150, 150]), 56.1),  # UCF101
        (VidTLDR([450, 250, 250, 250]), 56.6),  # SSv2
        (VidTLDR([800, 300]), 56.6),  # the same cost; 784 merge in the first layer
    ],
)
@pytest.mark.filterwarnings("ignore:r=.*exceeds half")
def test_videomae_b_costs_what_the_paper_says(videomae_b: VideoMAE, method: Method | None, expected: float) -> None:
    assert _gflops(videomae_b, method) == pytest.approx(expected, abs=0.05)


def test_the_count_equals_the_formula() -> None:
    encoder = UMTVisionEncoder(num_frames=4, image_size=32, width=48, depth=2, num_heads=3)
    n, d, merged = 16, 48, 5
    kept = n - merged

    def block(before: int, after: int) -> int:
        attention = before * 4 * d * d + 2 * before * before * d + 5 * before * d
        return attention + after * 8 * d * d + 5 * after * d

    embedding = n * d * 3 * 16 * 16
    norms = 5 * kept * d + 5 * d  # of all tokens, and of the pooled one
    matching = (n // 2) * (n // 2) * d
    expected = embedding + block(n, kept) + matching + block(kept, kept) + norms
    assert _gflops(encoder, VidTLDR([merged])) * 1e9 == pytest.approx(expected, abs=1)


def test_fused_and_explicit_attention_cost_the_same() -> None:
    model = timm.models.VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0)
    x = torch.zeros(1, 3, 32, 32)
    fused = encoder_gflops(model, example=x)
    for block in model.blocks:
        block.attn.fused_attn = False
    assert encoder_gflops(model, example=x) == fused


def test_counting_leaves_the_model_as_it_was() -> None:
    model = timm.models.VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2).train()
    x = torch.zeros(1, 3, 32, 32)
    apply(model, ToMe(3))
    assert encoder_gflops(model, example=x) > encoder_gflops(model, example=x, method=ToMe(3))
    assert model.training
    assert isinstance(model.blocks, _MergingBlocks)


def test_an_operation_of_unknown_cost_is_an_error() -> None:
    class Odd(timm.models.VisionTransformer):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(super().forward(x)).real

    model = Odd(img_size=32, patch_size=8, embed_dim=32, depth=1, num_heads=2)
    with pytest.raises(RuntimeError, match="the cost of aten::fft_fft"), merging(model, ToMe(0)):
        encoder_gflops(model, example=torch.zeros(1, 3, 32, 32))


LAYERED = [Base(), ToMe([3, 2, 1]), VidTLDR([0.3, 0, 2]), Attentiveness([5, 3]), Attentiveness([2, 3], before="layer")]


def _layers_by_formula(tower: Tower, method: Method) -> list[float]:
    """What each layer adds to a tower that ends behind it."""
    totals = [
        analytic_gflops(dataclasses.replace(tower, depth=depth, norm_after=False), _shortened(method, depth))
        for depth in range(tower.depth + 1)
    ]
    return [after - before for before, after in itertools.pairwise(totals)]


def _shortened(method: Method, depth: int) -> Method:
    return method if isinstance(method, Base) else dataclasses.replace(method, r=tuple(method.r)[:depth])


@pytest.mark.parametrize("method", LAYERED, ids=str)
@pytest.mark.parametrize("frames_alone", [False, True])
def test_each_layer_costs_what_the_formula_says_of_it(method: Method, frames_alone: bool) -> None:
    encoder, example, tower = _small(frames_alone)
    cost = encoder_cost(encoder, example=example, method=method)
    assert cost.gflops_per_layer == pytest.approx(_layers_by_formula(tower, method), rel=1e-9)
    assert cost.gflops == pytest.approx(analytic_gflops(tower, method), rel=1e-13)
    embedding_and_head = analytic_gflops(dataclasses.replace(tower, depth=0, norm_after=False))
    last_norm = tower.norm_after * 5 * cost.tokens_per_layer[-1] * tower.width / 1e9
    rest = cost.gflops - sum(cost.gflops_per_layer)
    assert rest == pytest.approx(embedding_and_head + last_norm, rel=1e-9)


def test_a_first_pass_belongs_to_no_layer() -> None:
    encoder, example, tower = _small(frames_alone=False)
    cost = encoder_cost(encoder, example=example, method=Rollout([5, 3]))
    ranked_otherwise = encoder_cost(encoder, example=example, method=Attentiveness([5, 3]))
    assert cost.gflops_per_layer == ranked_otherwise.gflops_per_layer
    assert cost.tokens_per_layer == ranked_otherwise.tokens_per_layer == (40, 37, 37)
    assert cost.gflops - ranked_otherwise.gflops > analytic_gflops(tower)


@pytest.mark.parametrize(
    ("method", "frames_alone", "tokens"),
    [
        (Base(), False, (45, 45, 45)),
        (ToMe(4), False, (41, 37, 33)),
        (VidTLDR([0.3, 0, 100]), False, (32, 32, 16)),  # 13 of 45; then more than can merge
        (SaliencyPruning([0, 100, 1]), False, (45, 1, 1)),
        (Base(), True, (34, 34, 34)),  # two frames of 16 patches and a class token
        (ToMe([0.25]), True, (26, 26, 26)),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:r=.*exceeds")
def test_the_tokens_that_leave_each_layer_are_those_of_all_frames(method, frames_alone, tokens) -> None:
    encoder, example, _ = _small(frames_alone)
    assert encoder_cost(encoder, example=example, method=method).tokens_per_layer == tokens


def _small(frames_alone: bool) -> tuple[VisionTransformer, torch.Tensor, Tower]:
    """A small encoder, what it takes of one clip, and its tower: of all frames together, or of two frames alone."""
    sizes = {"width": 48, "depth": 3, "num_heads": 3}
    if frames_alone:
        encoder = CLIPVisionEncoder(image_size=32, patch_size=8, joint_dim=20, **sizes)
        return encoder, torch.zeros(2, *encoder.input_shape), Tower.of(encoder, num_images=2)
    encoder = UMTVisionEncoder(num_frames=5, image_size=48, **sizes)
    return encoder, torch.zeros(1, *encoder.input_shape), Tower.of(encoder)
