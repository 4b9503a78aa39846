import json
import os
import subprocess
import sys

import pytest
import torch
import yaml

from tests.helpers.video import encode_video, numbered_frames
from vidtldr.bench import decoding
from vidtldr.bench.encoders import Workload, activation_peaks
from vidtldr.bench.rerank import Pairs, score_per_pair, score_shared
from vidtldr.cli.entry import run
from vidtldr.measuring import timing as measure
from vidtldr.measuring.timing import interleaved
from vidtldr.merging.attention.backends import choose_backend
from vidtldr.models.umt import UMT, umt_size

CPU = torch.device("cpu")
TINY = {
    "model": {
        "class_path": "vidtldr.tasks.VideoTextRetrieval",
        "init_args": {
            "size": {
                "width": 32,
                "depth": 3,
                "num_heads": 2,
                "text_width": 16,
                "text_layers": 4,
                "text_heads": 2,
                "text_intermediate": 32,
                "fusion_layer": 2,
                "vocab_size": 60,
            },
            "num_frames": 4,
            "image_size": 32,
        },
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


_PEAKS = """
import torch
from vidtldr.measuring.memory import peak_above
kept = torch.ones(2**24)  # 64 MiB that are no activation
print(*(peak_above(lambda: torch.ones(size), torch.device("cpu")) for size in (2**22, 2**24)), int(kept.sum()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_the_peak_is_what_a_run_takes_beyond_what_was_there():
    # In a process of its own: this one may have memory to spare that it was given for other tests.
    printed = subprocess.run([sys.executable, "-c", _PEAKS], capture_output=True, text=True, check=True).stdout
    small, large, kept = map(int, printed.split())
    assert kept == 2**24
    assert 14 * 2**20 < small < 24 * 2**20
    assert 60 * 2**20 < large < 76 * 2**20


@pytest.mark.slow
def test_a_process_of_its_own_gives_memory_back_and_measures_each_candidate(config, monkeypatch):
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    workload = Workload(str(config), batch_size=1024)
    labels = [candidate.label for candidate in workload.load().candidates]
    peaks = dict(zip(labels, activation_peaks(workload, len(labels)), strict=True))
    assert "MALLOC_MMAP_THRESHOLD_" not in os.environ
    hidden = 1024 * 16 * 128 * 4  # bytes inside the MLP, which exist before and after its GELU
    assert all(2 * hidden < peak < 30 * hidden for peak in peaks.values()), peaks


def test_both_ways_of_re_ranking_score_alike():
    torch.manual_seed(0)
    model = UMT(umt_size("umt_b", TINY["model"]["init_args"]["size"]), num_frames=1).eval()
    pairs = Pairs.random(model, [7, 1, 3, 5, 7, 2, 6], num_tokens=19, padded_to=7)
    shared = score_shared(model, pairs, texts_per_batch=3)
    torch.testing.assert_close(score_per_pair(model, pairs, pairs_per_batch=2), shared, atol=1e-6, rtol=0)
    assert shared.unique().numel() == 7
    assert score_shared(model, Pairs(pairs.video + 1, pairs.hidden, pairs.mask)).ne(shared).all()


def test_re_ranking_is_timed_and_its_scores_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "vidtldr.bench.rerank.umt_size", lambda _: umt_size("umt_b", TINY["model"]["init_args"]["size"])
    )
    out = tmp_path / "rerank.json"
    options = ["--pairs", "9", "--num-tokens", "11", "--text-tokens", "6", "--rounds", "2", "--device", "cpu"]
    assert run("vidtldr.bench.rerank", [*options, "--output", str(out)]) == 0
    written = json.loads(out.read_text())
    assert list(written["rows"]) == ["per pair", "shared, texts of 6 tokens", "shared, of 1 to 2"]
    assert written["largest_difference"] < 1e-5
    assert all(len(row["seconds"]) == 2 for row in written["rows"].values())
    assert "| shared, texts of 6 tokens |" in capsys.readouterr().out


@pytest.mark.parametrize("workers", [0, 1])
def test_stages_of_an_evaluation_are_timed_per_method(workers, config, tmp_path, capsys):
    out = tmp_path / "stages.json"
    options = ["-c", str(config), "--rounds", "1", "--num-videos", "2", "--pairs", "3", "--device", "cpu"]
    options += ["--num-workers", str(workers), "--output", str(out)]
    assert run("vidtldr.bench.stages", options) == 0
    rows = json.loads(out.read_text())["rows"]
    methods = ("base", "tome", "vidtldr")
    assert list(rows) == ["decode", *(f"{stage}, {name}" for stage in ("encode", "re-rank") for name in methods)]
    assert rows["decode"]["videos"] == 2
    assert "| vidtldr |" in capsys.readouterr().out


def test_videos_that_cannot_be_decoded_are_one_sentence(config, tmp_path, capsys):
    options = ["-c", str(config), "--rounds", "1", "--num-workers", "0", "--videos", str(tmp_path), "--device", "cpu"]
    assert run("vidtldr.bench.stages", options) == 2
    assert "there is no video in this folder" in capsys.readouterr().err
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert run("vidtldr.bench.stages", options) == 2
    assert "broken.mp4" in capsys.readouterr().err


def test_compiling_without_a_compiler_is_one_sentence(config, monkeypatch, capsys):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert run("vidtldr.bench.command", ["-c", str(config), "--compile", "--device", "cpu"]) == 2
    assert "--compile needs the C++ compiler no-such-compiler" in capsys.readouterr().err


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.mark.slow
def test_a_config_is_timed_per_method_and_backend(config, tmp_path, capsys):
    options = ["--config", str(config), "--rounds", "2", "--batch-size", "2", "--device", "cpu"]
    out = tmp_path / "bench.json"
    assert run("vidtldr.bench.command", [*options, "--backends", "eager", "blocked", "--output", str(out)]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert list(rows) == ["base", "tome [eager]", "tome [blocked]", "vidtldr [eager]", "vidtldr [blocked]"]
    for row in rows.values():
        assert len(row["seconds"]) == len(row["ratios"]) == 2
        assert row["activation_bytes"] >= 0
    assert rows["vidtldr [eager]"]["gflops"] < rows["base"]["gflops"]
    printed = capsys.readouterr().out
    assert "| vidtldr [blocked] r=3,2 |" in printed
    assert "batch size 2" in printed


@pytest.mark.slow
def test_the_backend_is_what_was_asked_for(config, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "vidtldr.merging.attention.attend.choose_backend",
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


def test_decoders_are_timed_for_the_frames_of_each_protocol(tmp_path, capsys):
    encode_video(tmp_path / "clip.mp4", numbered_frames(40))
    out = tmp_path / "decoding.json"
    options = ["--videos", str(tmp_path), "--rounds", "2", "--decoders", "pyav", "--output", str(out)]
    assert run("vidtldr.bench.decoding", options) == 0
    rows = json.loads(out.read_text())["rows"]
    assert list(rows) == list(decoding.PROTOCOLS)
    assert all(len(row["pyav"]["seconds"]) == 2 for row in rows.values())
    assert capsys.readouterr().out.count("| pyav |") == len(rows)


def test_a_decoder_that_reads_no_video_is_one_sentence(tmp_path, capsys):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert run("vidtldr.bench.decoding", ["--videos", str(tmp_path), "--decoders", "pyav"]) == 2
    assert "broken.mp4: cannot be read as a video" in capsys.readouterr().err
