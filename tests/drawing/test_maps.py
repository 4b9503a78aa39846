"""Labels, edges, colours and hatching on arrays small enough to read."""

import numpy as np
import pytest

from vidtldr.drawing.maps import edges, group_means, hatching, on_pixels


def test_a_patch_covers_its_pixels_and_a_tubelet_its_frames() -> None:
    patches = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    pixels = on_pixels(patches, (4, 2, 4))
    assert pixels[0].tolist() == [[1, 1, 2, 2], [3, 3, 4, 4]]
    assert np.array_equal(pixels[0], pixels[1])
    assert pixels[2].tolist() == pixels[3].tolist() == [[5, 5, 6, 6], [7, 7, 8, 8]]


def test_patches_need_not_divide_the_pixels() -> None:
    pixels = on_pixels(np.arange(3).reshape(1, 1, 3), (1, 1, 7))
    assert pixels[0, 0].tolist() == [0, 0, 0, 1, 1, 2, 2]
    with pytest.raises(ValueError, match="1 x 1 x 3 patches do not fit into 1 x 1 x 2 pixels"):
        on_pixels(np.arange(3).reshape(1, 1, 3), (1, 1, 2))


def test_an_edge_is_where_the_right_or_lower_neighbour_has_another_label() -> None:
    labels = np.array([[[1, 1, 2], [1, 1, 2], [3, 3, 2]], [[9, 9, 9], [9, 9, 9], [9, 9, 9]]])
    assert edges(labels).astype(int).tolist() == [
        [[0, 1, 0], [1, 1, 0], [0, 1, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],  # another frame is no neighbour
    ]


def test_a_thicker_edge_grows_to_the_left() -> None:
    labels = np.array([[[1, 1, 1, 2, 2]]])
    assert edges(labels, thickness=2).astype(int).tolist() == [[[0, 1, 1, 0, 0]]]


def test_a_group_has_the_mean_colour_of_its_pixels_in_all_frames() -> None:
    frames = np.zeros((2, 1, 2, 3), np.uint8)
    frames[0, 0], frames[1, 0] = [[10, 20, 30], [200, 0, 0]], [[20, 40, 60], [0, 0, 100]]
    labels = np.array([[[4, -1]], [[4, 7]]])  # the left one through both frames
    means = group_means(frames, labels)
    assert means[:, 0, 0].tolist() == [[15, 30, 45]] * 2
    assert means[:, 0, 1].tolist() == [[200, 0, 0], [0, 0, 100]]


def test_colours_are_weighted_by_what_survives() -> None:
    frames = np.array([[[[0, 0, 0], [100, 100, 100], [40, 0, 0]]]], np.uint8)
    labels = np.array([[[1, 1, 2]]])
    means = group_means(frames, labels, weight=np.array([[[1.0, 3.0, 0.0]]]))
    assert means[0, 0].tolist() == [[75] * 3, [75] * 3, [40, 0, 0]]  # none of the last survives: its plain colour


def test_hatching_is_diagonal_and_the_same_in_each_frame() -> None:
    lines = hatching((2, 3, 4), period=4, thickness=1)
    assert lines[0].astype(int).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert np.array_equal(lines[0], lines[1])
