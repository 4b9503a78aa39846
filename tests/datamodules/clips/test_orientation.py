from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from datamodules.clips.orientation import turn_upright

ONE = 1 << 16
TURNS = [(a, 0, 0, d) for a, d in product((1, -1), repeat=2)] + [(0, b, c, 0) for b, c in product((1, -1), repeat=2)]


def frame_with(*matrix):
    return SimpleNamespace(side_data={"DISPLAYMATRIX": np.array(matrix, np.int32)})


@pytest.mark.parametrize(("a", "b", "c", "d"), TURNS)
def test_each_pixel_goes_where_the_matrix_sends_it(a, b, c, d):
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    turned = turn_upright(picture, frame_with(a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30))
    places = {(a * x + c * y, b * x + d * y): picture[y, x] for y in range(2) for x in range(3)}
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    assert turned.shape == ((2, 3, 3) if a else (3, 2, 3))
    for (x, y), pixel in places.items():
        assert turned[y - top, x - left].tolist() == pixel.tolist()


def test_slanted_pictures_and_those_without_a_matrix_stay_as_they_are():
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    slanted = frame_with(ONE // 2, ONE // 2, 0, -ONE // 2, ONE // 2, 0, 0, 0, 1 << 30)
    assert turn_upright(picture, slanted) is picture
    assert turn_upright(picture, SimpleNamespace(side_data={})) is picture
