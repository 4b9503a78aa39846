import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

from datamodules.clips.opencv_resize import resize_bilinear
from tests.helpers.opencv_pictures import frames, resized_by_opencv

CASES = [(given, shape, result) for given, results in resized_by_opencv().items() for shape, result in results.items()]


@pytest.mark.parametrize(("given", "shape", "expected"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_result_is_that_of_opencv_bit_for_bit(given, shape, expected):
    assert torch.equal(resize_bilinear(frames(*given), *shape), expected)


@pytest.mark.parametrize("shape", [(224, 298), (256, 341)])
def test_rounded_real_numbers_would_not_be_the_result_of_opencv(shape):
    given = frames(240, 320, 1)
    real = F.interpolate(given.double(), size=shape, mode="bilinear", align_corners=False).round()
    assert 0.05 < (real != resize_bilinear(given, *shape)).double().mean() < 0.2


def side(given, wanted):
    """For each wanted pixel its two neighbours with their weights out of 2048, from exact fractions."""
    for number in range(wanted):
        place = (number + Fraction(1, 2)) * given / wanted - Fraction(1, 2)
        first = math.floor(place)
        weight = round(2048 * (place - first))
        yield [(min(max(first + step, 0), given - 1), share) for step, share in ((0, 2048 - weight), (1, weight))]


def loop(plane, height, width):
    """The equation of OpenCV's 8-bit resize, pixel by pixel: across exactly, down with 16-bit products cut off."""
    result = []
    for rows in side(len(plane), height):
        line = []
        for columns in side(len(plane[0]), width):
            total = 0
            for row, down in rows:
                across = sum(plane[row][column] * share for column, share in columns)
                total += (across >> 4) * down >> 16
            line.append((total + 2) >> 2)
        result.append(line)
    return result


@pytest.mark.parametrize("shape", [(8, 4), (3, 11), (5, 7), (1, 1), (10, 14)])
def test_result_is_that_of_a_loop_written_from_the_equation(shape):
    given = frames(5, 7, 3)
    (resized,) = resize_bilinear(given, *shape)
    assert resized.tolist() == [loop(plane.tolist(), *shape) for plane in given[0]]


def test_a_flat_picture_stays_flat_at_every_level():
    levels = torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 9, 13)
    for height, width in ((7, 5), (20, 31), (9, 4)):
        assert torch.equal(resize_bilinear(levels, height, width), levels[..., :1, :1].expand(-1, -1, height, width))


def test_frames_do_not_depend_on_each_other_or_on_their_memory_layout():
    clip = torch.cat([frames(33, 20, 3), frames(33, 20, 3).flip(-1), frames(33, 20, 3).flip(-2)])
    resized = resize_bilinear(clip, 20, 33)
    assert resized.is_contiguous()
    for frame, result in zip(clip, resized, strict=True):
        assert torch.equal(resize_bilinear(frame[None].contiguous(), 20, 33)[0], result)
