from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.clips.sampling import (
    dense_views,
    interleaved_views,
    middle_frames,
    random_dense,
    random_frames,
    segment_centres,
)

COUNTS = st.integers(1, 200)


@pytest.mark.parametrize(
    ("num_frames", "length", "expected"),
    [
        (12, 300, [12, 37, 62, 87, 112, 137, 162, 187, 212, 237, 262, 287]),
        (12, 100, [3, 11, 20, 28, 36, 45, 53, 61, 70, 78, 86, 95]),
        (12, 29, [0, 2, 5, 7, 10, 12, 14, 17, 19, 22, 24, 27]),
        (12, 13, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (12, 7, [0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6]),
        (12, 1, [0] * 12),
        (4, 10, [0, 3, 5, 8]),
        (4, 100, [12, 37, 62, 87]),
        (1, 5, [2]),
    ],
)
def test_middle_frames_are_those_of_the_published_evaluation(num_frames, length, expected):
    assert middle_frames(length, num_frames) == expected


def test_edges_are_rounded_like_linspace_where_integer_division_differs():
    differing = []
    for length in range(14, 600):
        edges = [i * length // 14 for i in range(15)]
        if middle_frames(length, 14) != [(a + b - 1) // 2 for a, b in pairwise(edges)]:
            differing.append(length)
    assert differing


@pytest.mark.parametrize(("length", "num_frames"), [(0, 4), (4, 0), (-1, 4)])
def test_an_empty_video_or_clip_is_refused(length, num_frames):
    with pytest.raises(ValueError, match=f"{num_frames} frames of a video of {length}"):
        middle_frames(length, num_frames)


@given(length=COUNTS, num_frames=COUNTS, seed=st.integers(0, 99))
def test_random_frames_lie_in_the_segments_whose_middles_are_evaluated(length, num_frames, seed):
    chosen = random_frames(length, num_frames, torch.Generator().manual_seed(seed))
    assert len(chosen) == num_frames
    assert chosen == sorted(chosen)
    assert chosen[0] >= 0
    assert chosen[-1] < length
    used = min(length, num_frames)
    assert len(set(chosen[:used])) == used
    width = -(-length // used)
    assert all(abs(a - b) <= width for a, b in zip(chosen, middle_frames(length, num_frames), strict=True))


def test_random_frames_reach_every_frame_and_follow_the_generator():
    generator = torch.Generator().manual_seed(0)
    assert {index for _ in range(200) for index in random_frames(10, 3, generator)} == set(range(10))
    again = [random_frames(100, 8, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert again[0] == again[1]


@pytest.mark.parametrize(
    ("num_frames", "length", "expected"),
    [
        (32, 20, [0, 0, 1, 2, 2, 3, 4, 4]),
        (32, 5, [0, 0, 0, 0, 0, 0, 1]),
        (8, 45, [2, 8, 14, 19, 25, 30, 36, 42]),
        (4, 4, [0, 1, 2, 3]),
        (3, 1, [0, 0, 0]),
    ],
)
def test_segment_centres_are_those_of_the_published_evaluation(num_frames, length, expected):
    chosen = segment_centres(length, num_frames)
    assert chosen[: len(expected)] == expected
    assert len(chosen) == num_frames


def test_segment_centres_differ_from_middle_frames():
    assert segment_centres(24, 4) == [3, 9, 15, 21]
    assert middle_frames(24, 4) == [2, 8, 14, 20]


def test_dense_views_are_those_of_the_official_code(views):
    for length, expected in zip(views["dense/lengths"], views["dense/frame_index"], strict=True):
        chosen = dense_views(int(length), num_frames=16, stride=4, num_segments=5)
        assert [chosen[segment] for segment, _ in views["dense/view_order"]] == expected.tolist()


def test_interleaved_views_are_those_of_the_official_code(views):
    for length, expected in zip(views["uniform/lengths"], views["uniform/frame_index"], strict=True):
        chosen = interleaved_views(int(length), num_frames=16, num_segments=2)
        assert [chosen[segment] for segment, _ in views["uniform/view_order"]] == expected.tolist()


def test_dense_views_start_where_the_specification_says():
    chosen = dense_views(180, num_frames=16, stride=4, num_segments=5)
    assert [view[0] for view in chosen] == [0, 28, 56, 84, 116]
    assert all(view == list(range(view[0], view[0] + 64, 4)) for view in chosen)


def test_a_short_video_gives_equal_dense_views_that_repeat_the_last_strided_frame():
    assert dense_views(10, num_frames=4, stride=4, num_segments=3) == [[0, 4, 8, 8]] * 3
    assert dense_views(1, num_frames=3, stride=4, num_segments=2) == [[0, 0, 0]] * 2


@pytest.mark.parametrize(("length", "start"), [(180, 14 * 4), (68, 0), (72, 4), (10, 0)])  # of 45, 17, 18 and 3 entries
def test_a_single_dense_view_is_the_centre(length, start):
    (view,) = dense_views(length, num_frames=16, stride=4, num_segments=1)
    assert view[0] == start
    assert len(view) == 16


@given(length=COUNTS, num_frames=st.integers(1, 40), num_segments=st.integers(1, 6))
def test_interleaved_views_together_are_evenly_spread(length, num_frames, num_segments):
    chosen = interleaved_views(length, num_frames, num_segments)
    assert [len(view) for view in chosen] == [num_frames] * num_segments
    together = sorted(index for view in chosen for index in view)
    step = length / (num_frames * num_segments)
    for place, index in enumerate(together):
        assert 0 <= index < length
        assert abs(index - place * step) <= 1 + 1e-9


def test_the_first_interleaved_views_are_those_of_the_specification():
    assert interleaved_views(45, num_frames=8, num_segments=2) == [
        [0, 5, 11, 16, 22, 28, 33, 39],
        [2, 8, 14, 19, 25, 30, 36, 42],
    ]
    assert interleaved_views(9, num_frames=3, num_segments=3) == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


@given(length=COUNTS, num_frames=st.integers(1, 40), stride=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_random_dense_clip_is_strided_and_repeats_its_last_frame_only(length, num_frames, stride, seed):
    chosen = random_dense(length, num_frames, stride, torch.Generator().manual_seed(seed))
    assert len(chosen) == num_frames
    assert 0 <= chosen[0] <= chosen[-1] < length
    used = len(set(chosen))
    assert chosen[:used] == list(range(chosen[0], chosen[0] + used * stride, stride))
    assert used == num_frames or (chosen[0] == 0 and chosen[-1] + stride >= length)


def test_random_dense_clips_start_at_every_possible_frame_and_follow_the_generator():
    generator = torch.Generator().manual_seed(0)
    assert {random_dense(20, 4, 3, generator)[0] for _ in range(200)} == set(range(11))
    again = [random_dense(100, 8, 2, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert again[0] == again[1]


@pytest.mark.parametrize(
    "sample",
    [
        lambda: segment_centres(0, 4),
        lambda: interleaved_views(4, 4, 0),
        lambda: dense_views(4, 0, 1, 1),
        lambda: dense_views(4, 4, 0, 1),
        lambda: random_dense(4, 4, 0),
    ],
)
def test_nothing_is_sampled_with_a_count_below_one(sample):
    with pytest.raises(ValueError, match="must be at least 1"):
        sample()
