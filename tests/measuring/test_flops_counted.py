"""GFLOPs against the paper's figures, the formula, and an unfused count."""

import pytest
import timm
import torch

from vidtldr.cost import encoder_gflops
from vidtldr.merging import Method, ToMe, VidTLDR, apply, merging
from vidtldr.merging.patch import _MergingBlocks
from vidtldr.models.tubelet import VideoTransformer
from vidtldr.models.umt import UMT_SIZES, UMTVisionEncoder
from vidtldr.models.videomae import VIDEOMAE_SIZES, VideoMAE


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
