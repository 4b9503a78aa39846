import json
import tempfile
from pathlib import Path

import pytest

from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.inheritance import merge, read_config
from vidtldr.errors import UserError


def write(folder: Path, **configs: object) -> Path:
    """Write configs by name; returns the folder."""
    for name, content in configs.items():
        path = folder / f"{name}.yaml"
        path.write_text(content if isinstance(content, str) else json.dumps(content))  # JSON is YAML
    return folder


def test_a_config_wins_over_its_parents_and_a_later_parent_over_an_earlier(tmp_path):
    first = {"model": {"a": 1, "b": 1, "c": 1}, "list": [1, 2]}
    second = {"model": {"b": 2, "c": 2}}
    child = {"inherit": ["first.yaml", "second.yaml"], "model": {"c": 3}, "list": [3]}
    folder = write(tmp_path, first=first, second=second, child=child)
    assert read_config(folder / "child.yaml") == {"model": {"a": 1, "b": 2, "c": 3}, "list": [3]}


def test_parents_have_parents(tmp_path):
    folder = write(tmp_path, a={"x": {"y": 1}}, b={"inherit": "a.yaml", "x": {"z": 2}}, c={"inherit": ["b.yaml"]})
    assert read_config(folder / "c.yaml") == {"x": {"y": 1, "z": 2}}


def test_a_user_s_config_can_build_on_a_shipped_one(tmp_path):
    mine = {"inherit": "umt_b_msvd.yaml", "data": {"init_args": {"root": "elsewhere"}}, "methods": {"tome": {"r": 7}}}
    folder = write(tmp_path, mine=mine)
    config = EvalCLI(["--config", str(folder / "mine.yaml")]).config
    assert config.data.init_args.root == "elsewhere"
    assert config.data.class_path == "datamodules.MSVD"
    assert config.methods["tome"] == {"r": 7, "metric": "tokens"}  # what is not given stays
    assert config.methods["vidtldr"] == {"r": [500, 200, 100, 100]}


def test_a_config_written_after_a_run_inherits_nothing(tmp_path):
    folder = write(tmp_path, mine={"inherit": "umt_b_msvd.yaml"})
    cli = EvalCLI(["--config", str(folder / "mine.yaml")])
    cli.save_config(tmp_path / "run")
    assert "inherit" not in (tmp_path / "run" / "config.yaml").read_text()


def test_merging_leaves_its_arguments_alone():
    base, over = {"a": {"b": 1}}, {"a": {"c": 2}}
    merge(base, over)
    assert (base, over) == ({"a": {"b": 1}}, {"a": {"c": 2}})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"inherit": "nowhere.yaml"}, "no config 'nowhere.yaml'"),
        ({"inherit": "child.yaml"}, "inherits from child.yaml, which inherits from it"),
        ({"inherit": {"a": 1}}, "inherit must name one config or a list of them"),
        ("- 1\n", "holds a list instead of options"),
        ("a: [1\n", "this is no YAML"),
    ],
)
def test_what_cannot_be_inherited_is_refused(content, sentence, tmp_path):
    folder = write(tmp_path, child=content)
    with pytest.raises(UserError, match=sentence):
        read_config(folder / "child.yaml")


def test_a_mistake_is_told_with_the_file_that_was_named(tmp_path):
    folder = write(tmp_path, child={"inherit": "umt_b_msvd.yaml", "methds": {"base": {}}})
    with pytest.raises(UserError, match=r"child\.yaml: .*methds"):
        EvalCLI(["--config", str(folder / "child.yaml")])


def test_configs_are_merged_without_writing_a_file(tmp_path, monkeypatch):
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a temporary file was asked for")

    for name in ("TemporaryDirectory", "NamedTemporaryFile", "TemporaryFile", "mkdtemp", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    folder = write(tmp_path, mine={"inherit": "umt_b_msvd.yaml", "model": {"init_args": {"k_test": 3}}})
    monkeypatch.setattr(Path, "write_text", refuse)
    config = EvalCLI(["--config", str(folder / "mine.yaml")]).config
    assert (config.model.init_args.k_test, config.data.class_path) == (3, "datamodules.MSVD")
    assert list(tmp_path.iterdir()) == [folder / "mine.yaml"]


def test_a_config_saved_by_an_earlier_version_is_read(tmp_path):
    folder = write(tmp_path, saved={"inherit": "umt_b_msvd.yaml", "chosen_methods": ["tome"]})
    assert EvalCLI(["--config", str(folder / "saved.yaml")]).config.only == ["tome"]
