"""Which methods a run evaluates, and what they are compared with."""

import pytest

from vidtldr.errors import UserError
from vidtldr.evaluation.methods import build_methods, choose_baselines

SPEC = {"tome": {"r": 3}, "plain": {"method": "base"}, "wide": {"method": "tome", "r": 9}}


@pytest.mark.parametrize(
    ("asked", "baselines"),
    [
        ([], ["plain"]),  # base under a name of its own
        (["tome"], ["plain", "tome"]),
        (["wide", "tome", "wide"], ["plain", "wide", "tome"]),
        (["plain"], ["plain"]),
    ],
)
def test_base_is_always_a_baseline_and_stands_first(asked, baselines) -> None:
    assert choose_baselines(build_methods(SPEC), asked) == baselines


def test_without_base_there_are_those_that_were_asked_for() -> None:
    methods = build_methods(SPEC, ["tome", "wide"])
    assert choose_baselines(methods) == []
    assert choose_baselines(methods, ["tome"]) == ["tome"]


def test_an_unknown_baseline_is_answered_with_the_known_ones() -> None:
    said = r"^unknown baseline 'tom': this run evaluates tome, plain, wide \(did you mean tome\?\)$"
    with pytest.raises(UserError, match=said):
        choose_baselines(build_methods(SPEC), ["tom"])


def test_a_baseline_must_be_evaluated() -> None:
    with pytest.raises(UserError, match=r"^unknown baseline 'wide': this run evaluates tome, plain$"):
        choose_baselines(build_methods(SPEC, ["tome", "plain"]), ["wide"])


def test_a_misspelt_method_is_answered_with_the_closest() -> None:
    said = r"^unknown method 'tom': the config has tome, plain, wide \(did you mean tome\?\)$"
    with pytest.raises(UserError, match=said):
        build_methods(SPEC, ["tom"])
