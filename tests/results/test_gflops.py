import pytest

from vidtldr.results.gflops import gflops_digits, gflops_share


@pytest.mark.parametrize(
    ("gflops", "shown"),
    [
        (303.34, "303.3"),
        (10.0, "10.0"),
        (5.1234, "5.12"),
        (0.30183, "0.302"),
        (0.0932, "0.093"),
        (0.00123456, "0.00123"),
    ],
)
def test_gflops_are_shown_by_one_rule(gflops, shown):
    assert gflops_digits(gflops) == shown


def test_a_share_is_a_whole_percentage():
    assert gflops_share(0.0932, of=0.30183) == "31%"
