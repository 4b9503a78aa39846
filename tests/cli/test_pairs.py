"""``--pairs``: schedules of one pre-training out of a config that gives several, and the row of the paper."""

from pathlib import Path

import pytest

from tests.helpers.tiny_run import write_vocabulary
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.pairs import choose_pairs, known_pairs
from vidtldr.errors import UserError

METHODS = {"base": {}, "tome": {"r": {"5M": 20, "17M": 25}, "metric": "tokens"}, "mine": {"weights": {"a": 1}}}


def test_options_of_one_pre_training_are_taken() -> None:
    assert known_pairs(METHODS) == ["5M", "17M"]
    assert choose_pairs(METHODS, "17M") == {**METHODS, "tome": {"r": 25, "metric": "tokens"}}


def test_an_option_that_lacks_the_pre_training_is_named() -> None:
    with pytest.raises(UserError, match=r"methods.tome.r has no value for --pairs 25M, only for 5M, 17M"):
        choose_pairs(METHODS, "25M")


def _read(tmp_path: Path, *words: str) -> EvalCLI:
    vocabulary = write_vocabulary(tmp_path / "vocab.txt")
    return EvalCLI(["--config", "umt_b_msvd_zero_shot", f"--model.tokenizer={vocabulary}", *words])


@pytest.mark.parametrize(
    ("words", "pairs", "tome", "vidtldr"),
    [
        ((), "25M", 20, [100, 100, 50, 50]),
        (("--pairs", "17m"), "17M", 25, [120, 90, 60, 30]),
        (("--pairs=5M", "--methods.tome.r", "7"), "5M", 7, [100, 100, 50, 50]),
    ],
)
def test_an_option_chooses_the_schedules(tmp_path, words, pairs, tome, vidtldr) -> None:
    config = _read(tmp_path, *words).resolved_config()
    assert config["pairs"] == pairs
    assert (config["methods"]["tome"]["r"], config["methods"]["vidtldr"]["r"]) == (tome, vidtldr)


def test_the_saved_config_repeats_the_run(tmp_path) -> None:
    cli = _read(tmp_path, "--pairs", "5m")
    cli.save_config(tmp_path / "run")
    again = EvalCLI(["--config", str(tmp_path / "run" / "config.yaml")])
    assert again.resolved_config() == cli.resolved_config()
    assert again.resolved_config()["paper"] == {"table": ["B", "C"], "row": "msvd"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--config", "umt_b_msvd_zero_shot", "--pairs", "10M"), "--pairs 10M: choose .* one of 5M, 17M, 25M"),
        (("--config", "demo", "--pairs", "5M"), "--pairs 5M: nothing in this config depends on the pre-training"),
        (("--config", "demo", "--paper.table", "8", "--paper.row", "msvd"), "the paper has no table 8; known are 1, 2"),
        (("--config", "demo", "--paper.table", "2", "--paper.row", "kth"), "Table 2 has no row kth; it has msrvtt, "),
    ],
)
def test_mistakes_are_answered_in_a_sentence(words, said) -> None:
    with pytest.raises(UserError, match=said):
        EvalCLI(list(words))


def test_a_config_without_a_choice_asks_for_one(tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text("inherit: demo.yaml\nmethods: {tome: {r: {5M: 3, 25M: 4}}}\n")
    with pytest.raises(UserError, match="choose the pre-training, one of 5M, 25M"):
        EvalCLI(["--config", str(tmp_path / "mine.yaml")])
