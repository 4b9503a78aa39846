"""Several values of an option as methods of one run."""

import pytest

from tests.helpers.command import evaluate
from tests.helpers.tiny_run import tiny_options, write_msvd, write_vocabulary
from vidtldr.cli.argv import split_repeated
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.sweeps import Sweep, expand_sweeps, name_with
from vidtldr.errors import UserError
from vidtldr.evaluation.methods import build_methods
from vidtldr.merging import ToMe, VidTLDR

METHODS = {"base": {}, "tome": {"r": 15, "metric": "tokens"}, "wide": {"method": "tome", "r": 40}}


def swept(*texts: str) -> dict:
    expanded = expand_sweeps(METHODS, [Sweep.parse(text) for text in texts])
    return {name: options for entry in expanded.values() for name, options in entry.items()}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("tome.r=10,20,40", (10, 20, 40)),
        ("tome.r=0.5", (0.5,)),
        ("vidtldr.r=[600,200,100],[500,200]", ([600, 200, 100], [500, 200])),
        ("tome.metric=keys,tokens", ("keys", "tokens")),
        ("vidtldr.sharpening=true,false", (True, False)),
    ],
)
def test_values_are_read_as_a_config_would(text: str, values: tuple) -> None:
    assert Sweep.parse(text).values == values


def test_each_value_becomes_a_method_in_the_place_of_its_entry() -> None:
    found = swept("tome.r=10,20")
    assert list(found) == ["base", "tome-r10", "tome-r20", "wide"]
    assert build_methods(found)["tome-r20"] == ToMe(20, metric="tokens")


def test_options_of_one_entry_are_combined_and_entries_stand_side_by_side() -> None:
    found = build_methods(swept("tome.r=10,20", "tome.metric=keys,tokens", "wide.r=30"))
    assert [(method.r, getattr(method, "metric", None)) for method in found.values()] == [
        (0, None),
        (10, "keys"),
        (10, "tokens"),
        (20, "keys"),
        (20, "tokens"),
        (30, "keys"),
    ]
    assert found["tome-r10-metric-keys"] == ToMe(10)


def test_an_entry_with_a_rule_or_class_of_its_own_keeps_it() -> None:
    path = "vidtldr.merging.methods.ToMe"
    expanded = expand_sweeps({"mine": {"class_path": path}}, [Sweep.parse("mine.r=[4,2],[3]")])
    assert build_methods(expanded["mine"]) == {"mine-r4-2": ToMe((4, 2)), "mine-r3": ToMe((3,))}
    assert build_methods(swept("wide.r=30"))["wide-r30"] == ToMe(30)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["tome.r"], "write ENTRY.OPTION=VALUE,VALUE"),
        (["tome.r=[1,2"], "write ENTRY.OPTION=VALUE,VALUE"),
        (["tomme.r=1"], r"methods are base, tome, wide \(did you mean tome\?\)"),
        (["tome.r=1", "tome.r=2"], "tome.r is given twice"),
        (["tome.q=1"], "method 'tome' has no option 'q': it takes r, merge, pooling, metric"),
        (["tome.metric=pixels"], "metric='pixels' is neither"),
        (["base.r=1"], "method 'base' has no option 'r'"),
    ],
)
def test_what_cannot_be_swept_is_said_in_a_sentence(texts: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build_methods(swept(*texts))


def test_a_name_that_is_taken_is_refused() -> None:
    methods = {"tome": {}, "tome-r10": {"method": "tome", "r": 9}}
    with pytest.raises(UserError, match="a method 'tome-r10', which the config has already"):
        expand_sweeps(methods, [Sweep.parse("tome.r=10")])


def test_names_tell_values() -> None:
    assert name_with("tome", {"r": 0.25}) == "tome-r0.25"
    assert name_with("tome", {"metric": "keys"}) == "tome-metric-keys"


def test_the_command_line_lists_what_it_evaluates() -> None:
    cli = EvalCLI(["--config", "umt_b_msvd", "--sweep", "tome.r=10,20", "--only=base,tome", "--sweep=vidtldr.r=[9,3]"])
    assert cli.config.only == ["base", "tome-r10", "tome-r20"]
    assert build_methods(cli.config.methods)["vidtldr-r9-3"] == VidTLDR((9, 3))
    assert cli.config.sweep is None  # the config that is kept repeats the run as it is


def test_a_config_may_sweep(tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text("inherit: umt_b_msvd.yaml\nsweep: [tome.r=10, 'vidtldr.r=[9,3],[8]']\n")
    cli = EvalCLI(["--config", str(tmp_path / "mine.yaml")])
    assert list(cli.config.methods) == ["base", "tome-r10", "vidtldr-r9-3", "vidtldr-r8"]


def test_a_sweep_without_values_is_left_to_the_parser() -> None:
    assert split_repeated(["--sweep"], "--sweep") == (["--sweep"], [])


@pytest.mark.slow
def test_a_swept_run_is_one_table(tmp_path) -> None:
    data = write_msvd(tmp_path / "data")
    options = ["--config=umt_b_msvd.yaml", *tiny_options(data, write_vocabulary(tmp_path / "vocab.txt"))]
    results = evaluate(options, tmp_path / "out", "--sweep=tome.r=1,2,3", "--only=base,tome")
    methods = results["methods"]
    assert list(methods) == ["base", "tome-r1", "tome-r2", "tome-r3"]
    costs = [method["gflops"] for method in methods.values()]
    assert costs == sorted(costs, reverse=True)
    assert [difference["method"] for difference in results["differences"]] == ["tome-r1", "tome-r2", "tome-r3"]
