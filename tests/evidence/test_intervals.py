import numpy as np
import pytest

from vidtldr.evidence.intervals import estimate, mean_of_defined


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error_says():
    values = np.random.default_rng(0).normal(3.0, 2.0, (400, 2))
    found = estimate(values, draws=4000)
    assert found.mean == pytest.approx(values.mean(axis=0))
    half = 1.96 * values.std(axis=0) / 20
    assert found.low == pytest.approx(values.mean(axis=0) - half, abs=0.03)
    assert found.high == pytest.approx(values.mean(axis=0) + half, abs=0.03)


def test_a_difference_that_all_videos_share_is_certain():
    score = np.random.default_rng(1).random((20, 3))
    found = estimate((score + 0.25) - score)
    for edge in (found.mean, found.low, found.high):
        assert edge == pytest.approx(np.full(3, 0.25))


def test_videos_without_a_value_are_left_out():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    found = estimate(values)
    assert found.at(0) == (2.0, 1.0, 3.0)
    assert np.isnan(found.at(1)).all()
    for values in (np.full((3, 2), np.nan), np.full((1, 2), np.nan)):  # of no video anything is known
        assert np.isnan([estimate(values).at(0), estimate(values).at(1)]).all()


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    values = np.random.default_rng(2).random((30, 1))
    assert estimate(values).at(0) == estimate(values).at(0)
    assert estimate(values).at(0) != estimate(values, seed=1).at(0)


def test_the_mean_of_what_is_defined():
    values = np.array([[1.0, np.nan, 5.0], [np.nan, np.nan, np.nan]])
    assert np.array_equal(mean_of_defined(values, axis=1), [3.0, np.nan], equal_nan=True)
