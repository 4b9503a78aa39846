from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.sampling import middle_frames, random_frames

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
