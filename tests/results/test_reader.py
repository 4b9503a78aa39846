"""``results.json`` is read back, of this version and of the two before."""

import dataclasses
import json
import math

import pytest

from tests.results.test_report import THREE, TOME_LESS_BASE, VIDTLDR_LESS_TOME, record
from vidtldr.errors import UserError
from vidtldr.results.reader import read_results
from vidtldr.results.report import markdown


def written(tmp_path):
    layers = {"gflops_per_layer": (100.5, 81.25), "tokens_per_layer": (2260, 2168)}
    results = [
        THREE[0],
        dataclasses.replace(THREE[1], **layers),
        dataclasses.replace(THREE[2], frame_shares=(0.75, 0.25)),
    ]
    known = [TOME_LESS_BASE, VIDTLDR_LESS_TOME]
    run = record(*results, baselines=["base", "tome"], differences=known, run_dir=tmp_path)
    run.write()
    return run


def older(run, version):
    """The file as an earlier version wrote it: with the difference to base beside each method."""
    content = run.to_dict() | {"schema_version": version}
    del content["baselines"]
    differences = content.pop("differences")
    if version == 3:
        for key in ("score_tables", "score_note", "decoder", "resizing"):
            del content[key]
    for method in content["methods"].values():
        for key in ("gflops_per_layer", "tokens_per_layer", "frame_shares"):
            del method[key]
    for each in differences:
        if each.pop("baseline") == "base":
            content["methods"][each.pop("method")]["difference_to_base"] = {"score": "r_mean", **each}
    run.results_path.write_text(json.dumps(content))


@pytest.mark.parametrize("as_folder", [True, False])
def test_what_was_written_is_read(tmp_path, as_folder):
    run = written(tmp_path)
    again = read_results(tmp_path if as_folder else run.results_path)
    assert again.results == run.results
    assert again.differences == run.differences
    assert again.baselines == ["base", "tome"]
    assert again.to_dict() == run.to_dict()
    assert markdown(again) == markdown(run)


def test_a_score_that_is_no_number_is_read_as_it_was(tmp_path):
    metrics = dict.fromkeys(THREE[0].metrics, math.nan)
    run = record(dataclasses.replace(THREE[0], metrics=metrics), *THREE[1:], baselines=["base"], run_dir=tmp_path)
    run.write()
    assert markdown(read_results(tmp_path)) == markdown(run)


@pytest.mark.parametrize("version", [3, 4])
def test_the_versions_before_are_read_without_what_they_did_not_tell(tmp_path, version):
    run = written(tmp_path)
    older(run, version)
    again = read_results(tmp_path)
    assert again.results == list(THREE)  # without layers and frames
    assert again.baselines == ["base"]
    assert again.differences == [TOME_LESS_BASE]
    assert again.decoder == ("not told by this version" if version == 3 else run.decoder)
    assert again.score_tables[0].compared == run.score_tables[0].compared
    assert "-2.0 [-3.0, -1.0]" in markdown(again)


def test_an_older_run_without_base_has_no_baseline(tmp_path):
    run = record(*THREE[1:], run_dir=tmp_path)
    older(run, 4)
    assert read_results(tmp_path).baselines == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"cannot read .*results\.json: No such file"),
        ("{", "is no results file of this project"),
        ("[]", "is no results file of this project"),
        ('{"schema_version": 2}', "has schema version 2; versions 3 to 5 are read here"),
        ('{"schema_version": 99}', "has schema version 99; versions 3 to 5 are read here"),
        ('{"schema_version": 4}', "is no results file of this project: KeyError 'checkpoint'"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, content, complaint):
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=complaint):
        read_results(tmp_path)
