"""Both files of a run, results and samples, hold values in the same way."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.results.test_report import THREE, record
from vidtldr.results.samples import read_samples, write_samples
from vidtldr.storage.json_values import plain

VALUES = {
    "numbers": (1, 0.5, True, None, "Käse"),
    "not finite": [float("nan"), {"low": -np.inf}, np.float64("inf")],
    "arrays": {"ranks": np.array([[1, 2]]), "scores": torch.tensor([0.25, float("nan")]), "one": np.int64(7)},
    "path": Path("a") / "b.pth",
    "keys": {1: "one"},
}
EXPECTED = {
    "numbers": [1, 0.5, True, None, "Käse"],
    "not finite": [None, {"low": None}, None],
    "arrays": {"ranks": [[1, 2]], "scores": [0.25, None], "one": 7},
    "path": "a/b.pth",
    "keys": {"1": "one"},
}


def test_values_become_what_json_has():
    assert plain(VALUES) == EXPECTED
    assert json.loads(json.dumps(plain(VALUES), allow_nan=False)) == EXPECTED


def test_results_and_samples_hold_the_same(tmp_path):
    write_samples(tmp_path / "samples.jsonl", {"base": [VALUES]})
    (sample,) = read_samples(tmp_path / "samples.jsonl")
    run = record(THREE[0], run_dir=tmp_path, config={"model": {}, "values": VALUES})
    run.write()
    assert sample == {"method": "base", **EXPECTED}
    assert json.loads(run.results_path.read_text(encoding="utf-8"))["config"]["values"] == EXPECTED


def test_what_is_no_json_is_refused_by_both_and_leaves_no_file(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_samples(tmp_path / "samples.jsonl", {"base": [{"id": object()}]})
    with pytest.raises(TypeError, match="not JSON serializable"):
        record(THREE[0], run_dir=tmp_path, config={"values": object()}).write()
    assert list(tmp_path.iterdir()) == []
