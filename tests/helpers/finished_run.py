"""Folders of runs as ``eval.py`` leaves them, made by hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from callbacks import Speed
from vidtldr.merging import Base, Method, ToMe, VidTLDR
from vidtldr.results.differences import Difference
from vidtldr.results.records import Evaluated, MethodResult, RunRecord
from vidtldr.results.samples import Sample, write_samples
from vidtldr.results.score_tables import ScoreTable
from vidtldr.storage.atomic_files import write_atomically

ACCURACY = (ScoreTable({"top1": "top-1"}, compared="top1", group="accuracy", title="accuracy"),)
METHODS: Mapping[str, Method] = {"base": Base(), "tome": ToMe(r=2), "vidtldr": VidTLDR(r=(4, 2))}
GFLOPS = {"base": 0.3, "tome": 0.2, "vidtldr": 0.1}


def recognised(right: Mapping[str, Sequence[bool]]) -> dict[str, list[Sample]]:
    """Samples of action recognition, by method: whether each video, ``v0.mp4`` and so on, was recognised."""
    return {
        method: [
            {
                "video": f"v{number}.mp4",
                "label": 0,
                "prediction": 0 if correct else 1,
                "rank": 1 if correct else 2,
                "class": "run",
                "predicted_class": "run" if correct else "fly",
            }
            for number, correct in enumerate(rows)
        ]
        for method, rows in right.items()
    }


def write_run(
    folder: Path,
    samples: Mapping[str, Sequence[Sample]],
    *,
    config_name: str = "demo_recognition",
    task: str = "vidtldr.tasks.ActionRecognition",
    data: str = "datamodules.DemoRecognition",
    gflops: Mapping[str, float] = GFLOPS,
    differences: Sequence[Difference] = (),
    layers: bool = True,
    **changes: Any,
) -> Path:
    """Write ``results.json`` and ``samples.jsonl``; returns the folder.

    Args:
        folder: Of the run.
        samples: By method: ``base``, ``tome`` or ``vidtldr``. The score is the share of rank 1 among them.
        config_name: Name of the config.
        task: Class path of the task.
        data: Class path of the data.
        gflops: By method.
        differences: To base.
        layers: Whether tokens, GFLOPs and shares of two layers and frames are recorded.
        changes: Other attributes of the record.
    """
    folder.mkdir(parents=True)
    settings = {"batch_size": 4, "num_workers": 0}
    record = RunRecord(
        **{
            "config_name": config_name,
            "config": {
                "model": {"class_path": task, "init_args": {}},
                "data": {"class_path": data, "init_args": settings},
            },
            "device": "CPU of the test",
            "precision": "32-true",
            "precision_asked": "32-true",
            "checkpoint": "weights.pth",
            "checkpoint_sha256": "0123456789abcdef" * 4,
            "started": "2025-01-01T00:00:00+00:00",
            "score_tables": ACCURACY,
            "score_note": "top-1",
            "decoder": "PyAV 18",
            "resizing": "short side to 32",
            "versions": {"torch": "2.6.0"},
            "finished": True,
            **changes,
        },
        run_dir=folder,
        results=[_result(method, rows, gflops[method], layers) for method, rows in samples.items()],
        baselines=["base"] if "base" in samples else [],
        differences=list(differences),
    )
    record.write()
    write_samples(record.samples_path, samples)
    return folder


def write_pictures(run: Path, videos: Sequence[str], methods: Sequence[str] = tuple(METHODS)) -> None:
    """Write pictures of some videos, which hold their own names, and their index."""
    (run / "pictures").mkdir()
    entries = []
    for number, video in enumerate(videos):
        files = {method: {kind: f"{number:04d}_{method}.{kind}" for kind in ("png", "mp4")} for method in methods}
        entries.append({"sample": video, "video": video, "methods": files})
        for name in (name for each in files.values() for name in each.values()):
            (run / "pictures" / name).write_bytes(_DOT if name.endswith("png") else name.encode())
    write_atomically(run / "pictures" / "index.json", json.dumps(entries))


_DOT = bytes.fromhex(  # a PNG of one grey pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)


def _result(method: str, rows: Sequence[Sample], gflops: float, layers: bool) -> MethodResult:
    score = 100 * sum(row.get("rank") == 1 or row.get("correct", False) for row in rows) / len(rows)
    speed = Speed(1 / gflops, 5.0, 8, 2**20, "memory of the process", 10.0)
    videos = len({row["video"] for row in rows})
    result = MethodResult(
        method, METHODS[method.partition("-")[0]], gflops, {"top1": score}, speed, Evaluated(videos, videos)
    )
    recorded = {
        "tokens_per_layer": (16, 12),
        "gflops_per_layer": (0.6 * gflops, 0.4 * gflops),
        "frame_shares": (0.7, 0.3),
    }
    return replace(result, **recorded) if layers else result
