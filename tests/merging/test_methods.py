import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest

from vidtldr.merging import METHODS, Base, Chain, Method, RunLength, ToMe, VidTLDR, build_method, register
from vidtldr.merging.registry import describe_methods


def test_a_method_is_built_from_what_a_config_says() -> None:
    assert build_method("base") == Base()
    assert build_method("tome", r=92, metric="tokens") == ToMe(92, metric="tokens")
    assert build_method("vidtldr", r=[600, 200, 100]) == VidTLDR((600, 200, 100))
    assert hash(build_method("vidtldr", r=[1])) == hash(VidTLDR((1,)))
    chain = build_method("chain", methods=[{"method": "run_length", "keep": 0.5}, {"method": "tome", "r": [3]}])
    assert chain == Chain([RunLength(keep=0.5), ToMe((3,))])
    first = {"base", "tome", "vidtldr", "attentiveness", "rollout", "saliency_pruning"}
    later = {"random_drop", "random_merge", "similar_drop", "representation_shift", "pitome", "run_length", "chain"}
    assert set(METHODS) == first | later


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tomme", {}, "unknown method 'tomme': choose from base, tome, vidtldr, attentiveness, rollout"),
        ("vidtldr", {"rate": 3}, "method 'vidtldr' has no option 'rate': it takes r, merge, pooling, background"),
        ("base", {"r": 3}, "method 'base' has no option 'r': it takes none"),
        ("tome", {"r": -3}, "r=-3 in every layer"),
        ("tome", {"r": 3, "metric": "values"}, "metric='values' is neither 'keys' nor 'tokens'"),
        ("tome", {"merge": "slerp"}, "merge='slerp' is neither 'mean' nor 'mlerp'"),
        ("pitome", {"pooling": "max"}, "pooling='max' is neither 'mean' nor 'mass'"),
        ("pitome", {"margin": 3}, "margin=3 is not between -1 and 1"),
        ("similar_drop", {"metric": "values"}, "metric='values' is neither 'keys' nor 'tokens'"),
        ("representation_shift", {"branch": "both"}, "branch='both' is neither 'mlp' nor 'attention'"),
        ("vidtldr", {"score": "rollout"}, "score='rollout' is neither 'sharpness' nor 'shift'"),
        ("vidtldr", {"entropy": "max"}, "entropy='max' is neither 'mean' nor 'per_head'"),
        ("vidtldr", {"score": "shift", "entropy": "per_head"}, "entropy='per_head' needs score='sharpness'"),
        ("vidtldr", {"background_drop": False}, "background_drop=False needs sharpening=False"),
        ("rollout", {"before": "attention"}, "before='attention' is neither 'mlp' nor 'layer'"),
        ("attentiveness", {"metric": "keys"}, "has no option 'metric': it takes r, before"),
    ],
)
def test_a_bad_name_or_option_is_answered_with_the_legal_ones(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_method(name, **options)


def test_methods_cannot_be_changed_once_made() -> None:
    with pytest.raises(AttributeError):
        build_method("tome", r=3).r = 4


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module.Mine", "cannot import 'no_such_module' for method 'no_such_module.Mine': No module named"),
        ("vidtldr.merging.NoSuchClass", "module 'vidtldr.merging' has no class 'NoSuchClass'"),
        ("vidtldr.merging.MergePlan", "vidtldr.merging.MergePlan is no method: derive the class from vidtldr.merging"),
        ("vidtldr.merging.build_method", "vidtldr.merging.build_method is no method"),
        ("vidtldr.merging.Method", "vidtldr.merging.method.Method has no name"),
    ],
)
def test_a_bad_class_path_is_answered_in_a_sentence(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        build_method(path)
    assert "\n" not in str(caught.value)


def test_a_module_that_fails_is_named_with_its_reason(tmp_path, monkeypatch) -> None:
    (tmp_path / "failing_module.py").write_text("raise RuntimeError('no licence found')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"cannot import 'failing_module' for method .*: no licence found"):
        build_method("failing_module.Mine")


def test_a_class_path_of_a_registered_method_is_that_method() -> None:
    assert build_method("vidtldr.merging.VidTLDR", r=3) == VidTLDR(3)


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"the name 'tome' of .*Second is taken by vidtldr\.merging\.methods\.tome\.ToMe"
    ):

        @register
        @dataclass(frozen=True)
        class Second(Method):
            name: ClassVar[str] = "tome"

    assert METHODS["tome"] is ToMe


def test_every_method_and_each_of_its_options_is_described() -> None:
    described = {told.name: told for told in describe_methods()}
    assert list(described) == list(METHODS)
    assert described["base"].options == []
    for told in described.values():
        assert told.summary.endswith(".")
        assert all(option.help and "`" not in option.help for option in told.options), told
    proportional = described["tome"].options[4]
    assert (proportional.name, proportional.type, proportional.default) == ("proportional_attention", "bool", True)
    assert described["tome"].options[3].type == "Literal['keys', 'tokens']"
    assert [option.name for option in described["rollout"].options] == ["r", "before"]


def test_options_that_were_changed_are_told_from_the_others() -> None:
    assert ToMe(3).changed_options() == {"r": 3}
    assert VidTLDR([2], sharpening=False).changed_options() == {"r": (2,), "sharpening": False}
    assert Base().changed_options() == {}
    chain = Chain([RunLength(keep=0.5), ToMe([3])])
    assert chain.changed_options() == {
        "methods": [{"method": "run_length", "keep": 0.5}, {"method": "tome", "r": (3,)}]
    }


def test_methods_are_described_without_the_import_of_timm() -> None:
    # timm takes seconds to import, which --help has not.
    code = "import sys, vidtldr.merging.registry as r; print(len(r.describe_methods()), 'timm' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["13", "False"]
