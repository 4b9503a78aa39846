import subprocess
import sys

import pytest
import yaml

from tests.helpers.tiny_run import write_vocabulary
from vidtldr.cli.argv import choose_methods, configs_first, configs_named
from vidtldr.cli.entry import run, user_errors
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.paths import CONFIG_DIR, PROJECT_DIR, find_config, resolve_path
from vidtldr.cli.sentences import one_sentence
from vidtldr.errors import UserError
from vidtldr.evaluation.methods import build_methods
from vidtldr.merging import ToMe

NAME = "umt_b_msvd"


def parse(*options: str) -> EvalCLI:
    return EvalCLI(["--config", NAME, *options])


# Names of configs


@pytest.mark.parametrize("name", ["umt_b_msvd", "umt_b_msvd.yaml", str(CONFIG_DIR / "umt_b_msvd.yaml")])
def test_shipped_config_is_found_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == CONFIG_DIR / "umt_b_msvd.yaml"


def test_config_of_the_working_directory_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "umt_b_msvd.yaml").write_text("{}")
    assert find_config("umt_b_msvd") == tmp_path / "umt_b_msvd.yaml"


def test_misspelt_config_is_answered_with_the_closest():
    with pytest.raises(UserError, match=r"did you mean umt_b_msvd\.yaml\?"):
        find_config("umt-b-msvd")


def test_unknown_config_is_answered_with_the_shipped_ones():
    with pytest.raises(UserError, match=r"shipped ones are .*umt_l_msrvtt\.yaml"):
        find_config("zzz")
    with pytest.raises(UserError, match=r"shipped ones are ablation_table"):  # the closer ones first
        find_config("abl")


def test_relative_path_is_tried_in_the_working_directory_then_in_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_path("configs") == str(PROJECT_DIR / "configs")
    (tmp_path / "configs").mkdir()
    assert resolve_path("configs") == "configs"
    assert resolve_path("no/such/file") == "no/such/file"
    assert resolve_path("/no/such/file") == "/no/such/file"


# Order and shorthands of arguments


def test_configs_come_first_in_their_own_order():
    argv = ["--limit", "4", "--config=a", "--strict", "-c", "b"]
    assert configs_first(argv) == ["--config=a", "-c", "b", "--limit", "4", "--strict"]
    assert configs_named(argv) == ["a", "b"]


def test_a_config_option_without_value_survives_for_the_parser_to_refuse():
    assert configs_first(["--config"]) == ["--config"]
    assert configs_named(["--config"]) == []


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--methods", "base,tome"], ["--only", "base,tome"]),
        (["--methods=base"], ["--only=base"]),
        (["--methods={base: {}}"], ["--methods={base: {}}"]),
        (["--methods", "{base: {}}"], ["--methods", "{base: {}}"]),
        (["--methods.tome.r", "5"], ["--methods.tome.r", "5"]),
    ],
)
def test_methods_by_name_choose_and_a_mapping_replaces(argv, expected):
    assert choose_methods(argv) == expected


# Parsing


def test_an_option_wins_over_a_config_that_stands_behind_it():
    assert EvalCLI(["--data.root=here", "--config", NAME]).config.data.init_args.root == "here"


def test_configs_overlay_each_other(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("{model: {init_args: {k_test: 16}}, methods: {tome: {r: 5}}}")
    config = parse("--config", str(overlay)).config
    assert config.model.init_args.k_test == 16
    assert config.model.init_args.max_text_length == 64  # of the first config
    assert config.methods == {"tome": {"r": 5}}


@pytest.mark.parametrize(
    "given", [["--baseline=tome,wide"], ["--baseline", "tome", "--baseline=wide"], ["--baseline", "[tome, wide]"]]
)
def test_baselines_are_a_list_or_repeated(given):
    assert parse(*given).config.baseline == ["tome", "wide"]
    assert parse().config.baseline is None


def test_a_config_may_name_baselines(tmp_path):
    (tmp_path / "mine.yaml").write_text("baseline: [tome]")
    config = ["--config", str(tmp_path / "mine.yaml")]
    assert parse(*config).config.baseline == ["tome"]
    assert parse(*config, "--baseline", "vidtldr").config.baseline == ["vidtldr"]  # an option wins over a config


@pytest.mark.parametrize("option", ["--only", "--methods"])
def test_methods_are_evaluated_in_the_order_of_the_command_line(option):
    config = parse(f"{option}=vidtldr,base").config
    assert list(build_methods(config.methods, config.only)) == ["vidtldr", "base"]


def test_chosen_methods_come_in_the_order_of_the_command_line():
    config = parse("--methods", "vidtldr,base").config
    assert list(build_methods(config.methods, config.only)) == ["vidtldr", "base"]


def test_an_option_of_a_method_can_be_changed_alone():
    config = parse("--methods.tome.r", "50").config
    assert build_methods(config.methods)["tome"] == ToMe(50, metric="tokens")  # the other options stay
    assert build_methods(config.methods)["vidtldr"].r == (500, 200, 100, 100)


def test_an_entry_may_name_its_rule():
    methods = build_methods({"wide": {"method": "tome", "r": 3, "metric": "tokens"}})
    assert methods["wide"].name == "tome"


@pytest.mark.parametrize(
    ("spec", "chosen", "message"),
    [
        ({}, None, "lists no methods"),
        ({"base": {}, "tome": {"r": 1}}, ["tom"], r"unknown method 'tom': the config has base, tome"),
        ({"vid_tldr": {}}, None, r"methods.vid_tldr: unknown method 'vid_tldr': .* \(did you mean vidtldr\?\)$"),
        ({"other": {}}, None, "methods.other: unknown method 'other': choose from base, tome, vidtldr"),
        ({"tome": {"q": 1}}, None, "methods.tome: .*no option 'q': it takes r"),
        ({"tome": {"r": -1}}, None, "methods.tome: "),
        ({"../x": {"method": "base"}}, None, "cannot name a TensorBoard run"),
        ({"x" * 300: {"method": "base"}}, None, "has 300 bytes, which is more than the 200 that fit"),
    ],
)
def test_wrong_methods_are_refused_with_the_legal_ones(spec, chosen, message):
    with pytest.raises(UserError, match=message):
        build_methods(spec, chosen)


def test_data_follow_the_frames_and_size_of_the_model():
    data = parse("--model.num_frames=4", "--model.image_size=112").config.data.init_args
    assert (data.num_frames, data.image_size) == (4, 112)


def test_frames_that_contradict_the_model_are_refused():
    with pytest.raises(UserError, match=r"model\.num_frames is 4 but data\.num_frames is 8"):
        parse("--model.num_frames=4", "--data.num_frames=8")


def test_limit_and_strict_are_handed_to_the_data():
    data = parse("--limit", "5", "--strict", "--data.missing=skip").config.data.init_args
    assert (data.limit, data.strict, data.missing) == (5, True, "error")


def test_printed_config_can_be_fed_back(tmp_path, capsys):
    options = ["--model.num_frames=4", "--methods=base,tome", "--limit=3", "--data.root=here"]
    with pytest.raises(SystemExit) as stop:
        parse(*options, "--print_config")
    assert stop.value.code == 0
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    assert EvalCLI(["--config", str(printed)]).resolved_config() == parse(*options).resolved_config()


def test_saved_config_repeats_the_run(tmp_path):
    first = parse("--limit=3", "--strict", "--model.num_frames=4")
    first.save_config(tmp_path)
    assert EvalCLI(["--config", str(tmp_path / "config.yaml")]).resolved_config() == first.resolved_config()
    assert "config" not in yaml.safe_load((tmp_path / "config.yaml").read_text())


def test_config_path_of_a_shipped_file_is_looked_up_in_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse("--model.checkpoint=pyproject.toml").config.model.init_args.checkpoint == str(
        PROJECT_DIR / "pyproject.toml"
    )


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--foo", "3"], "unknown option --foo"),
        (["--limt=3"], r"unknown option --limt \(did you mean --limit\?\)"),
        (["--limit", "many"], "limit must be int or null, not many"),
        (["--model.num_frames=few"], "model.num_frames must be int, not few"),
        (["--model.chekpoint=x"], r"VideoTextRetrieval has no option 'chekpoint' \(did you mean checkpoint\?\)"),
        (["--data.init_args.rot=x"], r"MSVD has no option 'rot' \(did you mean root\?\)"),
        (["--data.missing=ignore"], r"data.missing must be Literal\['error', 'skip'\], not ignore"),
        (["--trainer.max_epochs=x"], "trainer.max_epochs must be int or null, not x"),
        (["--data=datamodules.MSDV"], "cannot use class datamodules.MSDV: .*no attribute 'MSDV'"),
        (["--data=Nothing"], "data must be a class such as package.Class, not Nothing"),
        (["--methods.tome=5"], "methods must be dict, not 5"),
        (["--limit"], "expected one argument"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, message):
    with pytest.raises(UserError, match=message) as error:
        parse(*options)
    assert "\n" not in str(error.value)


def test_no_config_is_answered_with_the_shipped_ones():
    with pytest.raises(UserError, match=r"add --config NAME.*umt_b_msvd"):
        EvalCLI([])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{model: [", r"broken.yaml: .*line \d"),
        ("modell: {class_path: x}", r"unknown key 'modell' \(did you mean model\?\); the keys are "),
        ("{model: {init_args: {frames: 3}}}", "has no option 'frames'"),
    ],
)
def test_a_broken_config_is_one_sentence_with_its_name(content, message, tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        parse("--config", str(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trainer.limit_test_batches=1"], "use --limit"),
        (["--trainer.fast_dev_run=true"], "use --limit"),
        (["--trainer.accelerator=tpu"], "trainer.accelerator=tpu"),
        (["--trainer.accelerator=nonsense"], "trainer.accelerator=nonsense"),
        (["--trainer.logger=lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir=x"], "--output"),
    ],
)
def test_trainer_options_that_would_change_the_meaning_are_refused(options, message):
    with pytest.raises(UserError, match=message) as error:
        parse(*options).check_trainer()
    assert "\n" not in str(error.value)


def test_a_message_that_no_rule_knows_is_cut_to_one_line():
    assert one_sentence("a\n  b") == "a b"
    assert len(one_sentence("word " * 200)) <= 300


def test_only_named_errors_become_user_errors():
    with pytest.raises(UserError, match="one two"), user_errors(ValueError):
        raise ValueError("one\n two")
    with pytest.raises(TypeError), user_errors(ValueError):
        raise TypeError("ours")


def test_what_a_constructor_raises_is_not_buried(tmp_path):
    cli = parse(f"--model.tokenizer={write_vocabulary(tmp_path / 'vocab.txt')}", "--model.backbone=umt_x")
    with pytest.raises(ValueError, match=r"^unknown backbone 'umt_x'"):
        cli.build("model")


# Exit codes


class Command:
    """A module with a ``main`` that raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> None:
        def main(argv: list[str]) -> None:
            if isinstance(error, SystemExit):
                try:
                    raise KeyboardInterrupt
                except KeyboardInterrupt:
                    raise error  # noqa: B904 - as Lightning does
            if error:
                raise error

        monkeypatch.setitem(sys.modules, "stub_command", self)
        self.main = main


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 0, ""),
        (UserError("two\nlines"), 2, "error: two lines\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (SystemExit(1), 130, "interrupted\n"),
    ],
)
def test_exit_code_and_message(error, code, said, monkeypatch, capsys):
    Command(monkeypatch, error)
    assert run("stub_command", []) == code
    assert capsys.readouterr().err == said


def test_our_own_mistakes_keep_their_traceback(monkeypatch):
    Command(monkeypatch, RuntimeError("ours"))
    with pytest.raises(RuntimeError, match="ours"):
        run("stub_command", [])


@pytest.mark.parametrize("script", ["eval.py", "train.py"])
def test_misspelt_config_is_answered_at_once_and_without_traceback(script):
    command = [sys.executable, str(PROJECT_DIR / script), "--config", "umt_b_msv"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: no config 'umt_b_msv'")
    assert answer.stderr.count("\n") == 1


AS_ON_WINDOWS = """
import runpy, sys
sys.platform = "win32"
sys.modules |= dict.fromkeys(("fcntl", "resource"))  # to import them fails, as there
sys.argv = [{script!r}, "--config", "umt_b_msvd"]
runpy.run_path({script!r}, run_name="__main__")
"""


@pytest.mark.parametrize("script", ["eval.py", "train.py"])
def test_windows_is_refused_before_anything_is_imported_that_it_lacks(script):
    program = AS_ON_WINDOWS.format(script=str(PROJECT_DIR / script))
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 2
    assert answer.stderr == ("error: Windows is not supported yet: run this on Linux or macOS, or in WSL on Windows\n")


def test_every_option_has_help(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    own = capsys.readouterr().out.split("Customize every aspect")[0]
    names = "config methods only baseline pictures limit strict output seed_everything"
    for option in (f"--{name}" for name in names.split()):
        assert option in own
    parser = parse().parser
    undocumented = [
        action.dest
        for action in parser._actions
        if not action.help and "." in action.dest and not action.dest.startswith("trainer")
    ]
    assert undocumented == []


@pytest.mark.parametrize(
    ("part", "name"), [("model", "vidtldr.tasks.VideoTextRetrieval"), ("data", "datamodules.MSVD")]
)
def test_every_argument_of_model_and_data_is_described(part, name, capsys):
    with pytest.raises(SystemExit):
        parse(f"--{part}.help", name)
    text = capsys.readouterr().out.split("Help for")[1]
    for paragraph in text.split(f"\n  --{part}.")[1:]:
        words = paragraph.split("(")[0].split()
        assert len(words) > 3, f"--{part}.{words[0]} has no help"


def test_a_user_can_be_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse().config.methods == yaml.safe_load((CONFIG_DIR / "umt_b_msvd.yaml").read_text())["methods"]


# Classes that are not ours

STRANGER = """
from lightning import LightningDataModule, LightningModule

class Model(LightningModule):
    pass

class Data(LightningDataModule):
    pass
"""


def test_classes_without_options_can_be_named(tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text(STRANGER)
    monkeypatch.syspath_prepend(tmp_path)
    options = ["--model=stranger.Model", "--data=stranger.Data"]
    assert type(EvalCLI(options).build("model")).__name__ == "Model"
    with pytest.raises(UserError, match=r"need an option limit, which stranger\.Data lacks"):
        EvalCLI([*options, "--limit=3"])
