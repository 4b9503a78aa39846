"""Merge maps and heat maps on clips of a few patches."""

import matplotlib
import numpy as np
import pytest

from vidtldr.drawing.pictures import Limits, heat_map, mark_patch, merge_map, resized, side_by_side

WHITE = [255, 255, 255]


def _clip(colours: list[list[list[int]]], size: int = 4) -> np.ndarray:
    """Frames of one row of patches, each ``size`` pixels wide and high in one colour."""
    return np.array(colours, np.uint8)[:, None].repeat(size, axis=1).repeat(size, axis=2)


def test_one_group_looks_alike_in_all_frames_and_has_an_outline() -> None:
    frames = _clip([[[10, 10, 10], [200, 0, 0]], [[0, 0, 90], [30, 30, 30]]])
    owner = np.array([[[5, 1]], [[2, 5]]])  # token 5: first patch of frame 0, last patch of frame 1
    picture = merge_map(frames, owner)
    assert picture.dtype == np.uint8
    assert picture[0, 1, 1].tolist() == picture[1, 1, 6].tolist() == [20, 20, 20]
    assert picture[0, 1, 6].tolist() == [200, 0, 0]
    assert picture[:, :, 3].tolist() == [[WHITE] * 4] * 2  # the line between the patches of each frame
    assert not (picture[:, :, 4] == 255).all(axis=-1).any()


def test_neighbours_of_one_group_have_no_line_between_them() -> None:
    frames = _clip([[[10, 10, 10], [30, 30, 30]]])
    assert np.unique(merge_map(frames, np.array([[[3, 3]]]))).tolist() == [20]


def test_dropped_patches_are_hatched_each_in_its_own_colour() -> None:
    frames = _clip([[[200, 0, 0], [0, 0, 200], [90, 90, 90]]], size=8)
    picture = merge_map(frames, np.array([[[-1, -1, 0]]]))
    assert np.unique(picture[0, :, :7].reshape(-1, 3), axis=0).tolist() == [[70, 0, 0], [150, 150, 150]]
    assert np.unique(picture[0, :, 8:15].reshape(-1, 3), axis=0).tolist() == [[0, 0, 70], [150, 150, 150]]
    assert np.unique(picture[0, :, 16:]).tolist() == [90]


def test_background_that_left_no_trace_is_hatched_and_does_not_colour_its_group() -> None:
    frames = _clip([[[200, 200, 200], [0, 0, 0], [40, 40, 40]]], size=8)
    picture = merge_map(frames, np.array([[[0, 0, 1]]]), np.array([[[1.0, 0.0, 0.5]]]))
    assert np.unique(picture[0, :, :8]).tolist() == [200]
    assert np.unique(picture[0, :, 8:15]).tolist() == [70, 150]  # of the group's 200
    assert np.unique(picture[0, :, 16:]).tolist() == [40]


def test_a_heat_map_begins_at_the_lowest_colour_and_ends_at_the_highest() -> None:
    frames = _clip([[[100, 100, 100]] * 3])
    picture = heat_map(frames, np.array([[[0.0, 1.0, np.nan]]]), opacity=1.0)
    colours = (np.array([matplotlib.colormaps["inferno"](end)[:3] for end in (0.0, 1.0)]) * 255).round().tolist()
    assert [picture[0, 0, 0].tolist(), picture[0, 0, 4].tolist()] == colours
    assert set(np.unique(picture[0, :, 8:])) <= {0, 1, 150}  # unknown: hatched


def test_limits_leave_outliers_out_and_say_so() -> None:
    values = np.append(np.linspace(0, 1, 99), 50.0)
    limits = Limits.of(values)
    assert limits.exceeded
    assert limits.high == pytest.approx(1, abs=0.02)
    assert Limits.of(np.array([0.5, 0.5])) == (0, 0.5, False)
    assert Limits.of(np.array([np.nan])) == Limits.of(np.zeros(3)) == (0, 1, False)


def test_a_mark_is_an_outline_of_one_patch() -> None:
    frames = np.zeros((2, 12, 12, 3), np.uint8)
    marked = mark_patch(frames, (1, 0, 1), (2, 2, 2)).any(axis=-1)
    assert not marked[0].any()
    assert marked[1, :6, 6:].sum() == 36 - 4  # all but what lies inside a line of two pixels
    assert marked.sum() == 32


def test_sizes_and_places() -> None:
    frames = np.zeros((2, 10, 20, 3), np.uint8)
    assert resized(frames, 5).shape == (2, 5, 10, 3)
    assert resized(frames, 10) is frames
    both = side_by_side(frames, frames + 9, gap=2)
    assert both.shape == (2, 10, 42, 3)
    assert both[0, 0, :, 0].tolist() == [0] * 20 + [255] * 2 + [9] * 20
