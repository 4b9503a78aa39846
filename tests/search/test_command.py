"""``python -m vidtldr.search``: from a figure to schedules."""

import pytest

from vidtldr.errors import UserError
from vidtldr.search.command import main

UMT_B = ["--backbone", "umt_b", "--frames", "12"]


def test_the_command_prints_the_nearest_of_both_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--gflops", "178.0", *UMT_B, "--nearest", "2"])
    said = capsys.readouterr().out
    assert "vidtldr, the same r in all 12 layers (1,176 schedules)" in said
    assert "| 148 | 178.24 | +0.24 |" in said
    assert "| 600,200,100 | 177.98 | -0.02 |" in said
    assert "4 of 7,373 schedules come within 0.1 GFLOPs of 178.0." in said


def test_an_option_of_the_method_changes_the_cost(capsys: pytest.CaptureFixture[str]) -> None:
    for metric, found in (("keys", "| 77 | 231.58 | +0.18 |"), ("tokens", "| 86 | 231.32 | -0.08 |")):
        main(["--gflops", "231.4", *UMT_B, "--method", "tome", "--option", f"metric={metric}", "--nearest", "1"])
        assert found in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "tomme"], "unknown method 'tomme'"),
        (["--method", "base"], "name a method that reduces tokens"),
        (["--option", "metric"], "write KEY=VALUE"),
        (["--option", "r=5"], "leave r out"),
        (["--backbone", "umt_x"], "unknown backbone 'umt_x': choose from"),
        (["--gflops", "0"], r"--gflops 0 must be above 0 and at most 303\.\d, which umt_b costs with 12 frames"),
        (["--gflops", "304"], "--gflops 304 must be above 0 and at most 303"),
        (["--total", "7"], r"--total 7: no schedule of non-increasing multiples of 50 .*, 7 in all; try another"),
        (["--frames", "0"], "--frames: must be a whole number, 1 or more, not '0'"),
        (["--nearest", "-3"], "--nearest: must be a whole number, 1 or more, not '-3'"),
        (["--step", "1.5"], "--step: must be a whole number, 1 or more, not '1.5'"),
        (["--data.root=data/msvd"], "unknown option --data.root=data/msvd: without --config, no data are read"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        main(["--gflops", "178.0", *UMT_B, *words])


def test_neither_data_nor_a_figure_is_answered_with_both_ways() -> None:
    with pytest.raises(UserError, match="give --config NAME to search on data, or --gflops"):
        main([])
    with pytest.raises(UserError, match=r"needs a budget: --budget-gflops 0\.7x"):
        main(["--config", "demo"])
