"""A method in one file outside the package is evaluated like those inside."""

import json

import pytest
import torch

from tests.helpers import tasks
from vidtldr.merging import build_method, merging
from vidtldr.merging.registry import describe_methods, reference
from vidtldr.models.registry import build_encoder

CLASS_PATH = "tests.outside.toy_method.LongestTokens"


def test_it_is_found_by_class_path_and_by_name() -> None:
    found = build_method(CLASS_PATH, r=[2, 1], norm=1.0)
    assert (found.name, found.r, found.norm) == ("longest", (2, 1), 1.0)
    assert build_method("longest", r=[2, 1], norm=1.0) == found  # its import has registered it
    assert reference(build_method("longest")) == CLASS_PATH  # so that another process finds it
    assert reference(build_method("tome")) == "tome"
    with pytest.raises(ValueError, match=f"method '{CLASS_PATH}' has no option 'metric': it takes r, norm"):
        build_method(CLASS_PATH, metric="keys")


def test_its_options_are_described_with_those_it_inherits() -> None:
    build_method(CLASS_PATH)
    (told,) = [method for method in describe_methods() if method.name == "longest"]
    assert told.summary == "Keep the longest tokens."
    assert [(option.name, option.type, option.default) for option in told.options] == [
        ("r", "int | float | Sequence[int | float]", 0),
        ("norm", "float", 2.0),
    ]
    assert told.options[0].help.startswith("Tokens that go per layer: counts or, below 1, shares;")
    assert told.options[1].help == "Which norm measures them: 1, 2, ..."


def test_the_longest_tokens_stay() -> None:
    encoder, records = (
        build_encoder("umt_b", size={"width": 32, "depth": 2, "num_heads": 2}, num_frames=2, image_size=32),
        [],
    )
    clips = encoder.blank_clips(2).normal_(generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), merging(encoder.module.eval(), build_method(CLASS_PATH, r=[3]), observer=records.append):
        encoder.module(clips)
    assert [record.tokens.shape[1] for record in records] == [5, 5]
    assert records[0].plan.dropped.shape == (2, 3)


def test_it_is_compared_with_base_by_eval(tmp_path) -> None:
    options = tasks.retrieval(tmp_path)
    mine = [f"--methods.mine.class_path={CLASS_PATH}", "--methods.mine.r=[5,2]", "--methods.mine.norm=1.0"]
    done = tasks.run(tasks.command(options, tmp_path / "out", *mine, "--methods=base,mine"))
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "out").iterdir()
    methods = json.loads((folder / "results.json").read_text())["methods"]
    assert list(methods) == ["base", "mine"]
    assert methods["mine"]["rule"] == CLASS_PATH
    assert methods["mine"]["options"] == {"r": [5, 2], "norm": 1.0}
    assert methods["mine"]["gflops"] < methods["base"]["gflops"]
    assert "mine [longest] r=5,2 norm=1.0" in done.stdout
