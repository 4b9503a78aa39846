"""GFLOPs of the image tower against the formula and what the official implementation counts for 32 frames."""

import pytest
import torch

from vidtldr.cost import encoder_gflops
from vidtldr.merging import Method, ToMe, VidTLDR
from vidtldr.models.vifi_clip import CLIPVisionEncoder


@pytest.fixture(scope="module")
def vit_b16() -> CLIPVisionEncoder:
    return CLIPVisionEncoder()


# Official, what the row of the class token costs in matching: it is compared there and ignored, here it is left out.
@pytest.mark.parametrize(
    ("method", "official", "class_token"),
    [
        (None, 562.636, 0),
        (ToMe(16), 281.10, 32 * 64 * sum([98, 90, 82, 74, 66, 58, 50, 42, 34, 26, 18, 10]) / 1e9),
        (VidTLDR([50, 30, 20, 10]), 279.037, 32 * 768 * (98 + 73 + 58 + 48) / 1e9),
    ],
)
def test_vit_b16_costs_what_the_official_implementation_counts(
    vit_b16: CLIPVisionEncoder, method: Method | None, official: float, class_token: float
) -> None:
    per_frame = encoder_gflops(vit_b16, example=torch.zeros(1, *vit_b16.input_shape), method=method)
    assert 32 * per_frame == pytest.approx(official - class_token, abs=0.006 if isinstance(method, ToMe) else 0.0006)
    assert 32 * per_frame == pytest.approx(official, rel=0.005)


def test_a_batch_of_frames_costs_as_much_as_the_frames() -> None:
    encoder = CLIPVisionEncoder(image_size=32, patch_size=8, width=48, depth=3, num_heads=3, joint_dim=16)
    for method in (None, ToMe(3), VidTLDR([4, 2])):
        single = encoder_gflops(encoder, example=torch.zeros(1, *encoder.input_shape), method=method)
        batch = encoder_gflops(encoder, example=torch.zeros(5, *encoder.input_shape), method=method)
        assert batch == pytest.approx(5 * single, rel=1e-12)


def test_the_count_equals_the_formula() -> None:
    encoder = CLIPVisionEncoder(image_size=32, patch_size=8, width=48, depth=2, num_heads=3, joint_dim=20)
    n, d, merged = 17, 48, 5
    kept = n - merged

    def block(before: int, after: int) -> int:
        attention = before * 4 * d * d + 2 * before * before * d + 5 * before * d
        return attention + after * 8 * d * d + 5 * after * d

    ends = (n - 1) * d * 3 * 8 * 8 + d * 20 + 5 * (n * d + d)  # patches, projection, first and last norm
    matching = 8 * 8 * d  # 8 sources, as the class token is none, and 8 destinations
    expected = ends + block(n, kept) + matching + block(kept, kept)
    counted = encoder_gflops(encoder, example=torch.zeros(1, *encoder.input_shape), method=VidTLDR([merged]))
    assert counted * 1e9 == pytest.approx(expected, abs=1)
