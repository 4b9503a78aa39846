"""``results.json`` is read back, of this version and of the one before."""

import json

import pytest

from tests.results.test_report import THREE, record
from vidtldr.errors import UserError
from vidtldr.results.bootstrap import Interval
from vidtldr.results.reader import read_results
from vidtldr.results.report import markdown


def written(tmp_path):
    run = record(*THREE, intervals={"tome": Interval(-3.0, -1.0, -1.96)}, run_dir=tmp_path)
    run.write()
    return run


@pytest.mark.parametrize("as_folder", [True, False])
def test_what_was_written_is_read(tmp_path, as_folder):
    run = written(tmp_path)
    again = read_results(tmp_path if as_folder else run.results_path)
    assert again.results == run.results
    assert again.intervals == run.intervals
    assert again.to_dict() == run.to_dict()
    assert markdown(again) == markdown(run)


def test_the_version_before_is_read_without_what_it_did_not_tell(tmp_path):
    run = written(tmp_path)
    content = run.to_dict() | {"schema_version": 3}
    for key in ("score_tables", "score_note", "decoder", "resizing"):
        del content[key]
    run.results_path.write_text(json.dumps(content))
    again = read_results(tmp_path)
    assert again.results == run.results
    assert again.intervals == run.intervals
    assert again.decoder == "not told by this version"
    assert again.score_tables[0].compared == run.score_tables[0].compared
    assert "vidtldr" in markdown(again)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"cannot read .*results\.json: No such file"),
        ("{", "is no results file of this project"),
        ("[]", "is no results file of this project"),
        ('{"schema_version": 2}', "has schema version 2; versions 3 to 4 are read here"),
        ('{"schema_version": 99}', "has schema version 99; versions 3 to 4 are read here"),
        ('{"schema_version": 4}', "is no results file of this project: KeyError 'checkpoint'"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, content, complaint):
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=complaint):
        read_results(tmp_path)
