import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from datamodules.transforms import random_resized_crop, resize_frames

NOISE = torch.randint(0, 256, (3, 3, 45, 77), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
GRADIENT = torch.arange(64, dtype=torch.uint8).mul(4).expand(1, 3, 48, 64).contiguous()


@pytest.mark.parametrize("frames", [NOISE, GRADIENT], ids=["noise", "gradient"])
@pytest.mark.parametrize("size", [16, 45, 96])
def test_resize_equals_torchvision_without_antialiasing_bit_for_bit(frames, size):
    reference = resize(frames, [size, size], interpolation=InterpolationMode.BICUBIC, antialias=False)
    assert torch.equal(resize_frames(frames, size), reference)


def test_resize_does_not_antialias():
    antialiased = resize(NOISE, [16, 16], interpolation=InterpolationMode.BICUBIC, antialias=True)
    assert (resize_frames(NOISE, 16).int() - antialiased.int()).abs().max() > 20


def test_overshoot_of_bicubic_is_clamped_and_not_wrapped():
    edge = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    edge[..., 4:] = 255
    resized = resize_frames(edge, 32)
    assert resized[..., :12].max() < 30
    assert resized[..., 20:].min() > 225


def test_memory_layout_of_the_decoder_changes_nothing():
    as_decoded = NOISE.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert torch.equal(resize_frames(as_decoded, 32), resize_frames(NOISE, 32))
    assert resize_frames(as_decoded, 32).is_contiguous()


def test_frames_of_the_right_size_stay_as_they_are():
    square = NOISE[..., :45]
    assert torch.equal(resize_frames(square, 45), square)


def test_random_crop_is_the_same_in_all_frames_and_follows_the_generator():
    still = NOISE[:1].expand(4, -1, -1, -1)
    crops = [random_resized_crop(still, 24, (0.5, 1.0), torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert crops[0].shape == (4, 3, 24, 24)
    assert crops[0].dtype == torch.uint8
    assert torch.equal(crops[0][0], crops[0][3])
    assert torch.equal(crops[0], crops[1])
    assert not torch.equal(crops[0], crops[2])


def test_random_crop_never_mirrors():
    for seed in range(30):
        crop = random_resized_crop(GRADIENT, 16, (0.5, 1.0), torch.Generator().manual_seed(seed)).float()
        assert crop[..., -4:].mean() > crop[..., :4].mean()


def test_random_crop_covers_the_share_of_the_area_asked_for():
    for seed in range(30):
        crop = random_resized_crop(GRADIENT, 48, (0.5, 0.6), torch.Generator().manual_seed(seed)).float()
        width = (crop.max() - crop.min() + 4) / 4  # columns of the gradient that are seen
        assert 0.5 * 48 * 64 / 48 - 2 <= width <= 64


def test_a_frame_too_narrow_for_any_crop_is_used_whole():
    sliver = NOISE[..., :1, :]
    assert torch.equal(random_resized_crop(sliver, 8, (1.0, 1.0)), resize_frames(sliver, 8))
