import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from datamodules.clips.transforms import (
    crops_along_long_side,
    random_mirror,
    random_resized_crop,
    resize_frames,
    zoomed_centre_crop,
)
from tests.helpers import opencv_pictures

NOISE = torch.randint(0, 256, (3, 3, 45, 77), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
LEVELS = 1.15  # rounding to 8 bits, 0.5; what OpenCV's integers cut off, 0.5; its weights of 11 bits, two times 0.07
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


def bilinear(frames, height, width):
    """Each pixel between its four neighbours, pixel centres aligned and edges repeated; written from the definition."""
    frames = frames.numpy().astype(np.float64)

    def neighbours(wanted, given):
        place = np.clip((np.arange(wanted) + 0.5) * given / wanted - 0.5, 0, given - 1)
        low = np.floor(place).astype(int)
        return low, np.minimum(low + 1, given - 1), place - low

    top, bottom, down = neighbours(height, frames.shape[-2])
    left, right, across = neighbours(width, frames.shape[-1])
    rows = frames[..., top, :] * (1 - down)[:, None] + frames[..., bottom, :] * down[:, None]
    return rows[..., left] * (1 - across) + rows[..., right] * across


def coordinates(height, width):
    """``[1, 3, h, w]``: row, column, and the eighth bit of both."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows % 256, columns % 256, rows // 256 * 2 + columns // 256])[None].to(torch.uint8)


def corner(crop):
    row, column, high = crop[0, :, 0, 0].tolist()
    return [row + high // 2 * 256, column + high % 2 * 256]


def noise(height, width):
    return torch.randint(
        0, 256, (2, 3, height, width), generator=torch.Generator().manual_seed(height), dtype=torch.uint8
    )


@pytest.mark.parametrize("place", range(5))
def test_crops_along_the_long_side_are_those_of_the_official_code(views, place):
    height, width = views["dense/sizes_hw"][place].tolist()
    resized_height, resized_width = views["dense/resized_hw"][place].tolist()
    corners = views["dense/crop_top_left"][place, :3].tolist()
    ready = coordinates(resized_height, resized_width)  # the short side fits: not resized
    assert [corner(crop) for crop in crops_along_long_side(ready, 224, 3)] == corners

    frames = noise(height, width)
    whole = bilinear(frames, resized_height, resized_width)
    for (top, left), crop in zip(corners, crops_along_long_side(frames, 224, 3), strict=True):
        expected = whole[..., top : top + 224, left : left + 224]
        assert np.abs(crop.numpy() - expected).max() < LEVELS


def test_a_single_crop_is_the_centre():
    assert [corner(crop) for crop in crops_along_long_side(coordinates(32, 53), 32, 1)] == [[0, 10]]
    assert [corner(crop) for crop in crops_along_long_side(coordinates(53, 32), 32, 1)] == [[10, 0]]


def test_crops_of_small_frames_are_enlarged():
    crops = crops_along_long_side(noise(6, 9), 16, 2)
    assert crops.shape == (2, 2, 3, 16, 16)
    assert crops.dtype == torch.uint8
    assert np.abs(crops[1].numpy() - bilinear(noise(6, 9), 16, 24)[..., 8:]).max() < LEVELS


@pytest.mark.parametrize(
    ("size", "height", "width", "resized", "offset"),
    [
        (224, 240, 320, (256, 341), (16, 58)),
        (224, 320, 240, (341, 256), (58, 16)),
        (224, 256, 256, (256, 256), (16, 16)),
        (224, 100, 101, (256, 259), (16, 17)),  # 258.56 is rounded, not truncated
        (32, 40, 50, (36, 45), (2, 6)),
    ],
)
def test_the_zoomed_centre_is_cut_where_the_specification_says(size, height, width, resized, offset):
    frames = noise(height, width)
    whole = bilinear(frames, *resized)
    (crop,) = zoomed_centre_crop(frames, size)
    top, left = offset
    assert crop.shape == (2, 3, size, size)
    assert np.abs(crop.numpy() - whole[..., top : top + size, left : left + size]).max() < LEVELS


def test_crops_hold_the_pixels_of_opencv():
    stored = opencv_pictures.resized_by_opencv()[240, 320, 1]
    frames = opencv_pictures.frames(240, 320, 1)
    for offset, crop in zip((0, 37, 74), crops_along_long_side(frames, 224, 3), strict=True):
        assert torch.equal(crop, stored[224, 298][..., offset : offset + 224])
    assert torch.equal(zoomed_centre_crop(frames, 224)[0], stored[256, 341][..., 16:240, 58:282])


def test_a_mirrored_clip_is_mirrored_in_all_its_frames_half_of_the_time():
    still = NOISE[:1].expand(4, -1, -1, -1)
    mirrored = [random_mirror(still, torch.Generator().manual_seed(seed)) for seed in range(40)]
    swapped = sum(torch.equal(clip, still.flip(-1)) for clip in mirrored)
    assert swapped + sum(torch.equal(clip, still) for clip in mirrored) == 40
    assert 8 < swapped < 32
