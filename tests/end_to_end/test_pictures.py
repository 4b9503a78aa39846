"""``eval.py --pictures``: what methods made of the clips that they differ most in, in files and in TensorBoard."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.helpers.tasks import TASKS, command, outcome, run
from vidtldr.cli.entry import run as run_here
from vidtldr.results.pictures import Album
from vidtldr.results.reader import read_results

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
METHODS = ["base", "tome", "vidtldr"]
STEPS = dict.fromkeys(TASKS, 4) | {"recognition": 2}  # tubelets of two frames


def evaluate(options: list[str], output: Path, *more: str) -> Path:
    """Run in this process; returns the folder of the run."""
    assert run_here("vidtldr.cli.evaluate", command(options, output, *more)[2:]) == 0
    (folder,) = output.iterdir()
    return folder


@pytest.fixture(scope="module", params=TASKS)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str], Path]:
    """A task, its options, and the folder of a run with pictures."""
    folder = tmp_path_factory.mktemp(request.param)
    options = TASKS[request.param](folder)
    return request.param, options, evaluate(options, folder / "out", "--pictures=2", "--baseline=tome")


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return TASKS["retrieval"](tmp_path_factory.mktemp("pictures"))


def events_of(folder: Path) -> EventAccumulator:
    """All that a TensorBoard run holds."""
    return EventAccumulator(str(folder), {"images": 0, "scalars": 0, "tensors": 0}).Reload()


def index(folder: Path) -> list[dict]:
    return json.loads((folder / "pictures" / "index.json").read_text())


def test_two_videos_are_shown_under_each_method(drawn) -> None:
    _, _, folder = drawn
    entries = index(folder)
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert len({entry["video"] for entry in entries}) == 2
    for entry in entries:
        assert (entry["sample"], entry["video"]) in {(row.get("id", row["video"]), row["video"]) for row in rows}
        assert list(entry["methods"]) == METHODS
        heights = [Image.open(folder / "pictures" / files["png"]).height for files in entry["methods"].values()]
        assert heights[0] < heights[1] == heights[2]  # base has nothing below its frames
        assert all((folder / "pictures" / files["mp4"]).stat().st_size for files in entry["methods"].values())


def test_the_shares_of_the_frames_are_told(drawn) -> None:
    task, _, folder = drawn
    for result in read_results(folder).results:
        assert len(result.frame_shares) == STEPS[task]
        assert math.fsum(result.frame_shares) == pytest.approx(1)
        if result.method.name != "vidtldr":  # what is merged evenly is kept whole
            assert result.frame_shares == pytest.approx([1 / STEPS[task]] * STEPS[task])


def test_pictures_cost_no_digit(drawn, tmp_path) -> None:
    _, options, folder = drawn
    evaluate(options, tmp_path / "plain")
    without, samples = outcome(tmp_path / "plain")
    with_pictures, same_samples = outcome(folder.parent)
    assert samples == same_samples
    for name, method in with_pictures.items():
        assert without[name]["frame_shares"] is None
        assert method | {"frame_shares": None} == without[name]
    assert not (tmp_path / "plain" / "pictures").exists()


def test_curves_lie_over_each_other_in_tensorboard(drawn) -> None:
    task, _, folder = drawn
    runs = {path.name: events_of(path) for path in (folder / "tensorboard").iterdir()}
    report = runs.pop("all methods")
    assert report.Tags()["tensors"] == ["report/text_summary"]
    assert report.Tags()["scalars"] == report.Tags()["images"] == []
    assert set(runs) == set(METHODS)
    record = read_results(folder)
    for result in record.results:
        events = runs[result.name]

        def curve(tag: str, events: EventAccumulator = events) -> list[tuple[int, float]]:
            return [(each.step, pytest.approx(each.value, rel=1e-6)) for each in events.Scalars(tag)]

        assert curve("over_layers/tokens") == list(enumerate(result.tokens_per_layer, start=1))
        assert curve("over_layers/gflops") == list(enumerate(result.gflops_per_layer, start=1))
        assert curve("over_frames/share") == list(enumerate(result.frame_shares, start=1))
        score = record.score_tables[0].compared
        assert curve(f"over_videos/{score}")[-1][1] == pytest.approx(result.metrics[score], rel=1e-5)
        for difference in record.differences:
            if difference.method == result.name:
                group = f"difference_to_{difference.baseline}"
                assert curve(f"{group}/low") == [(0, difference.low)]
                assert curve(f"{group}/high") == [(0, difference.high)]
        assert "report/text_summary" not in events.Tags()["tensors"]
    recalls, accuracy = {"t2v": "t2v_r1", "v2t": "v2t_r1"}, {"all": "top1"}
    first_k = {"retrieval": recalls, "dual_retrieval": recalls, "recognition": accuracy, "zero_shot": accuracy,
               "base_to_novel": {"base": "base", "novel": "novel"}, "question_answering": {}}[task]  # fmt: skip
    for group, metric in first_k.items():
        for result in record.results:
            found = runs[result.name].Scalars(f"found_among_first_K/{group}")
            assert (found[0].step, found[0].value) == (1, pytest.approx(result.metrics[metric], rel=1e-5))
            assert found[-1].value == 100
    assert len({tuple(sorted(events.Tags()["images"])) for events in runs.values()}) == 1


def test_the_same_clips_are_shown_under_each_method_and_play(drawn) -> None:
    _, _, folder = drawn
    for number, entry in enumerate(index(folder), start=1):
        for method, files in entry["methods"].items():
            events = events_of(folder / "tensorboard" / method)
            (still,) = events.Images(f"clips/{number:04} {entry['video']}")
            assert still.encoded_image_string == (folder / "pictures" / files["png"]).read_bytes()
            (moving,) = events.Images(f"moving_clips/{number:04} {entry['video']}")
            assert moving.encoded_image_string.startswith(b"GIF89a")
            assert moving.width >= moving.height


def test_a_run_that_was_interrupted_while_drawing_still_gets_its_pictures(
    options, tmp_path, monkeypatch, capsys
) -> None:
    draw = Album.draw

    def fails_at_the_second_method(album: Album, number: int, method: str, *rest: np.ndarray) -> None:
        if method == "tome":
            raise KeyboardInterrupt
        draw(album, number, method, *rest)

    argv = command(options, tmp_path, "--pictures=1")[2:]
    with monkeypatch.context() as patched:
        patched.setattr(Album, "draw", fails_at_the_second_method)
        assert run_here("vidtldr.cli.evaluate", argv) == 130
    (folder,) = tmp_path.iterdir()
    assert not (folder / "pictures" / "index.json").exists()
    assert not json.loads((folder / "results.json").read_text())["finished"]
    capsys.readouterr()
    assert run_here("vidtldr.cli.evaluate", argv) == 0
    said = capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [folder]  # the run went on
    assert "encode videos" not in said  # all methods were through
    assert "vidtldr · draw pictures: 1 of 1" in said
    assert list(index(folder)[0]["methods"]) == METHODS
    assert read_results(folder).finished


def test_pictures_and_baselines_are_no_cause_of_a_run(options, tmp_path, monkeypatch, capsys) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("vidtldr.evaluation.comparison.Comparison.close", lambda self: exit(1))
        with pytest.raises(SystemExit):
            run_here("vidtldr.cli.evaluate", command(options, tmp_path)[2:])
    capsys.readouterr()
    folder = evaluate(options, tmp_path, "--pictures=1", "--baseline=tome")
    said = capsys.readouterr().err
    assert "draw pictures" in said
    assert "encode videos" not in said
    assert read_results(folder).baselines == ["base", "tome"]
    assert [(each.method, each.baseline) for each in read_results(folder).differences] == [
        ("tome", "base"),
        ("vidtldr", "base"),
        ("base", "tome"),
        ("vidtldr", "tome"),
    ]
    assert len(index(folder)) == 1


def test_two_processes_leave_the_same_pictures(options, tmp_path) -> None:
    alone = evaluate(options, tmp_path / "alone", "--pictures=2")
    done = run(command(options, tmp_path / "together", "--pictures=2", "--trainer.devices=2"))
    assert done.returncode == 0, done.stderr
    (together,) = (tmp_path / "together").iterdir()
    assert index(together) == index(alone)
    names = [path.name for path in (alone / "pictures").iterdir()]
    assert names
    for name in names:
        assert (together / "pictures" / name).read_bytes() == (alone / "pictures" / name).read_bytes()
    assert read_results(together).differences == read_results(alone).differences


@pytest.mark.parametrize("count", ["-1", "many"])
def test_a_number_of_pictures_that_is_none_is_refused(options, count, capsys) -> None:
    assert run_here("vidtldr.cli.evaluate", [*options, f"--pictures={count}"]) == 2
    assert "pictures" in capsys.readouterr().err.strip().splitlines()[-1]
