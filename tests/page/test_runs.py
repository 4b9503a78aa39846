import json
import shutil
from pathlib import Path

import pytest

from tests.helpers.finished_run import recognised, write_pictures, write_run
from vidtldr.errors import UserError
from vidtldr.page.runs import read_runs

SAMPLES = recognised({"base": [True, False], "vidtldr": [True, True]})


def test_a_run_is_read_with_its_samples_and_pictures(tmp_path: Path):
    write_pictures(write_run(tmp_path / "run", SAMPLES), ["v0.mp4"], ["base"])
    (run,) = read_runs([tmp_path / "run"])
    assert run.methods == ["base", "vidtldr"]
    assert (run.score("base"), run.score("vidtldr")) == (50.0, 100.0)
    assert [row["video"] for row in run.samples["vidtldr"]] == ["v0.mp4", "v1.mp4"]
    assert run.pictures == {"v0.mp4": {"base": {"png": "0000_base.png", "mp4": "0000_base.mp4"}}}


def test_a_folder_of_runs_stands_for_the_newest_finished_one(tmp_path: Path):
    for name in ("2025-01-01_00-00-00", "2025-01-02_00-00-00"):
        write_run(tmp_path / name, SAMPLES)
    write_run(tmp_path / "2025-01-03_00-00-00", SAMPLES, finished=False)
    (run,) = read_runs([tmp_path])
    assert run.folder.name == "2025-01-02_00-00-00"


def test_no_two_runs_have_the_same_label(tmp_path: Path):
    paths = [write_run(tmp_path / parent / "run", SAMPLES, config_name="same") for parent in "ab"]
    paths.append(write_run(tmp_path / "other", SAMPLES, config_name="other"))
    labels = [run.label for run in read_runs([*paths, paths[0]])]
    assert labels == ["same run", "same run (2)", "other"]


def test_the_file_of_results_stands_for_its_run_and_samples_may_be_gone(tmp_path: Path):
    folder = write_run(tmp_path / "run", SAMPLES)
    (folder / "samples.jsonl").unlink()
    (run,) = read_runs([folder / "results.json"])
    assert (run.folder, run.samples) == (folder, {})


def test_a_picture_that_is_missing_or_lies_elsewhere_is_not_shown(tmp_path: Path):
    folder = write_run(tmp_path / "run", SAMPLES)
    write_pictures(folder, ["v0.mp4"], ["base"])
    (tmp_path / "secret.png").write_bytes(b"")
    (folder / "pictures" / "0000_base.mp4").unlink()
    index = folder / "pictures" / "index.json"
    index.write_text(index.read_text().replace("0000_base.png", "../../secret.png"))
    (run,) = read_runs([folder])
    assert run.pictures == {"v0.mp4": {"base": {}}}


def refusal(*paths: Path) -> str:
    with pytest.raises(UserError) as refused:
        read_runs(paths)
    return str(refused.value)


def test_what_is_no_run_is_refused_in_a_sentence(tmp_path: Path):
    assert f"{tmp_path} holds no results.json" in refusal(tmp_path)
    assert "holds no results.json" in refusal(tmp_path / "nowhere")
    unfinished = write_run(tmp_path / "unfinished", SAMPLES, finished=False)
    assert f"{unfinished} is unfinished" in refusal(unfinished)
    shutil.rmtree(unfinished)
    old = write_run(tmp_path / "old", SAMPLES)
    (old / "results.json").write_text(json.dumps({"schema_version": 99}))
    assert "schema version 99" in refusal(old)
    listed = write_run(tmp_path / "listed", SAMPLES)
    write_pictures(listed, ["v0.mp4"])
    (listed / "pictures" / "index.json").write_text('{"v0.mp4": 1}')
    assert "index.json is no list of pictures" in refusal(listed)


def test_runs_further_down_are_listed(tmp_path: Path):
    runs = [write_run(tmp_path / "outputs" / name / "2025-01-01_00-00-00", SAMPLES) for name in ("demo", "vqa")]
    assert refusal(tmp_path / "outputs").endswith(f"give a run below it, {runs[0]}, {runs[1]}")
    for number in range(8):
        write_run(tmp_path / "outputs" / "demo" / f"2025-01-02_00-00-0{number}", SAMPLES)
    assert refusal(tmp_path / "outputs").endswith("and 2 more")


def test_a_run_that_has_finished_no_method_is_said_to_be_one(tmp_path: Path):
    begun = tmp_path / "demo" / "2025-01-01_00-00-00"
    begun.mkdir(parents=True)
    (begun / "config.yaml").write_text("methods: {}\n")
    assert refusal(begun).endswith("holds no results.json: this run has not finished a method yet")
    assert refusal(begun.parent).endswith(f"the run {begun} has not finished a method yet")


def test_a_baseline_that_was_not_evaluated_is_refused(tmp_path: Path):
    (run,) = read_runs([write_run(tmp_path / "run", SAMPLES)])
    assert run.baseline() == "base"
    assert run.baseline("vidtldr") == "vidtldr"
    with pytest.raises(UserError, match=r"--baseline: .* has no method 'tome'; it has base, vidtldr"):
        run.baseline("tome")
