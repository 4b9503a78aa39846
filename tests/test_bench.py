import json

import pytest
import torch
import yaml

from vidtldr.bench import measure
from vidtldr.bench.measure import interleaved
from vidtldr.cli.entry import run
from vidtldr.merging.backends import choose_backend

CPU = torch.device("cpu")
TINY = {
    "model": {
        "class_path": "vidtldr.tasks.VideoTextRetrieval",
        "init_args": {"size": {"width": 32, "depth": 3, "num_heads": 2}, "num_frames": 4, "image_size": 32},
    },
    "methods": {"base": {}, "tome": {"r": 2}, "vidtldr": {"r": [3, 2]}},
}


def test_candidates_take_turns_and_ratios_are_taken_within_a_round(monkeypatch):
    now, order = [0.0], []
    speed = {"slow": iter([9.0, 4.0, 8.0]), "fast": iter([9.0, 2.0, 2.0])}  # the machine is half as fast in round two
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])

    def run_of(name):
        def run():
            order.append(name)
            now[0] += next(speed[name])

        return run

    timings = interleaved({name: run_of(name) for name in speed}, rounds=2, device=CPU)
    assert order == ["slow", "fast"] * 3
    assert timings["slow"].ratios == (1.0, 1.0)
    assert timings["fast"].ratios == (2.0, 4.0)
    assert timings["fast"].median_ratio == 3.0
    assert timings["slow"].median_seconds == 6.0


def test_nothing_to_time_is_refused():
    with pytest.raises(ValueError, match="nothing to time: 0 candidates"):
        interleaved({}, rounds=1, device=CPU)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


def test_a_config_is_timed_per_method_and_backend(config, tmp_path, capsys):
    options = ["--config", str(config), "--rounds", "2", "--batch-size", "2", "--device", "cpu"]
    out = tmp_path / "bench.json"
    assert run("vidtldr.bench.command", [*options, "--backends", "eager", "blocked", "--output", str(out)]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert list(rows) == ["base", "tome [eager]", "tome [blocked]", "vidtldr [eager]", "vidtldr [blocked]"]
    for row in rows.values():
        assert len(row["seconds"]) == len(row["ratios"]) == 2
        assert row["peak_memory_bytes"] > 2**20
    assert rows["vidtldr [eager]"]["gflops"] < rows["base"]["gflops"]
    printed = capsys.readouterr().out
    assert "| vidtldr [blocked] r=3,2 |" in printed
    assert "batch size 2" in printed


def test_the_backend_is_what_was_asked_for(config, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "vidtldr.merging.attention.choose_backend",
        lambda *args, **options: seen.append(choose_backend(*args, **options)) or seen[-1],
    )
    assert run("vidtldr.bench.command", ["-c", str(config), "--rounds", "1", "--backends", "eager"]) == 0
    assert set(seen) == {"eager"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"methods": {"base": {}}}, "names no model or no methods"),
        ({**TINY, "methods": {"base": {}, "tome": {"q": 1}}}, "has no option 'q'"),
        ({**TINY, "methods": {}}, "the config lists no methods"),
    ],
)
def test_a_config_that_cannot_be_timed_is_one_sentence(content, sentence, config, capsys):
    config.write_text(yaml.safe_dump(content))
    assert run("vidtldr.bench.command", ["--config", str(config)]) == 2
    assert sentence in capsys.readouterr().err
