"""What a run leaves behind: records of each method and of their cause, and ``results.json``."""

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import vidtldr
from vidtldr.measuring.speed import Speed
from vidtldr.merging import Method, build_method
from vidtldr.merging.registry import reference
from vidtldr.results.beside_paper import beside_paper
from vidtldr.results.differences import Difference
from vidtldr.results.score_tables import ScoreTable
from vidtldr.storage.atomic_files import write_atomically
from vidtldr.storage.json_values import plain

SCHEMA_VERSION = 5
_PACKAGES = ("torch", "lightning", "timm", "torchmetrics", "av", "decord")


@dataclass(frozen=True)
class Evaluated:
    """What the metrics of a method rest on.

    Attributes:
        videos: Videos evaluated.
        videos_total: Videos that were to be evaluated.
        counts: What else was counted, by its name: text queries, views of a video, classes of videos.
        missing: Names of videos without a file.
        broken: Names of videos that could not be decoded.
    """

    videos: int
    videos_total: int
    counts: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.videos:,} of {self.videos_total:,}"

    @property
    def complete(self) -> bool:
        """Whether nothing was left out."""
        return self.videos == self.videos_total


@dataclass(frozen=True)
class MethodResult:
    """One row of the table.

    Attributes:
        name: As the config calls it.
        method: The method with its options.
        gflops: Billions of multiply-adds that the vision encoder needs for a clip.
        metrics: As the task logs them, in percent.
        speed: Clips per second and memory.
        evaluated: What the metrics rest on.
        gflops_per_layer: Those of ``gflops`` that each layer needs; the rest goes to embedding and head.
        tokens_per_layer: Tokens of a clip that leave each layer.
        frame_shares: Share of each frame in what the method keeps of a clip, summing to 1; mean over the clips of which
            pictures were kept, None without.
    """

    name: str
    method: Method
    gflops: float
    metrics: Mapping[str, float]
    speed: Speed
    evaluated: Evaluated
    gflops_per_layer: tuple[float, ...] = ()
    tokens_per_layer: tuple[int, ...] = ()
    frame_shares: tuple[float, ...] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The method's options, defaults included; none for base."""
        return self.method.option_values()

    def to_dict(self) -> dict[str, Any]:
        """All of the result, for :meth:`from_dict`, as it stands in ``results.json``."""
        evaluated, speed = self.evaluated, asdict(self.speed)
        return {
            "rule": reference(self.method),
            "options": self.options,
            "gflops": self.gflops,
            "gflops_per_layer": self.gflops_per_layer,
            "tokens_per_layer": self.tokens_per_layer,
            "frame_shares": self.frame_shares,
            "metrics": dict(self.metrics),
            "metrics_over_videos": str(evaluated),
            "videos_evaluated": evaluated.videos,
            "videos_total": evaluated.videos_total,
            "counts": evaluated.counts,
            "missing": evaluated.missing,
            "broken": evaluated.broken,
            "seconds": speed.pop("seconds"),
            "memory": {key: speed.pop(key) for key in ("peak_memory_bytes", "peak_memory_of")},
            "speed": speed,
        }

    @classmethod
    def from_dict(cls, name: str, content: Mapping[str, Any]) -> "MethodResult":
        """The result that gave this content.

        Raises:
            KeyError: Something is missing.
            ValueError: There is no such method here.
        """
        evaluated = Evaluated(
            videos=content["videos_evaluated"],
            videos_total=content["videos_total"],
            counts=content["counts"],
            missing=tuple(content["missing"]),
            broken=tuple(content["broken"]),
        )
        return cls(
            name=name,
            method=build_method(content["rule"], **content["options"]),
            gflops=content["gflops"],
            metrics={key: math.nan if value is None else value for key, value in content["metrics"].items()},
            speed=Speed(**content["speed"], **content["memory"], seconds=content["seconds"]),
            evaluated=evaluated,
            gflops_per_layer=tuple(content.get("gflops_per_layer", ())),
            tokens_per_layer=tuple(content.get("tokens_per_layer", ())),
            frame_shares=tuple(shares) if (shares := content.get("frame_shares")) else None,
        )


@dataclass
class RunRecord:
    """A run and its cause.

    Attributes:
        config_name: Name of the config, without suffix.
        config: Everything filled in.
        device: Name of the device.
        precision: What was computed in.
        precision_asked: What the config asked for.
        checkpoint: Weight file, or one for each seed; None for random weights.
        checkpoint_sha256: Its hash, or theirs.
        score_tables: How the task's scores are to be shown.
        score_note: What they are.
        decoder: Library that decoded the videos, with its version.
        resizing: How frames came to model size.
        started: Date and time, ISO 8601.
        run_dir: Where results lie.
        baselines: Names of the methods that the others are compared with, base first.
        results: One for each method that has finished, in order.
        differences: How far their compared scores are from those of the baselines.
        finished: Whether all have.
    """

    config_name: str
    config: dict[str, Any]
    device: str
    precision: str
    precision_asked: str
    checkpoint: str | list[str] | None
    checkpoint_sha256: str | list[str] | None
    started: str
    run_dir: Path
    score_tables: tuple[ScoreTable, ...]
    score_note: str
    decoder: str
    resizing: str
    baselines: list[str] = field(default_factory=list)
    results: list[MethodResult] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    finished: bool = False
    versions: dict[str, str | None] = field(default_factory=lambda: versions())

    def setting(self, part: str, key: str) -> Any:
        """An option of ``model`` or ``data``, or None where the class has no such option."""
        return self.config.get(part, {}).get("init_args", {}).get(key)

    def difference(self, method: str, baseline: str) -> Difference | None:
        """How far a method is from a baseline, where an interval was found."""
        found = (each for each in self.differences if (each.method, each.baseline) == (method, baseline))
        return next(found, None)

    @property
    def tensorboard_dir(self) -> Path:
        """Parent of the methods' TensorBoard runs."""
        return self.run_dir / "tensorboard"

    @property
    def pictures_dir(self) -> Path:
        """What methods made of some clips, with a list of it; there if pictures were asked for."""
        return self.run_dir / "pictures"

    @property
    def results_path(self) -> Path:
        """The JSON file."""
        return self.run_dir / "results.json"

    @property
    def samples_path(self) -> Path:
        """What each method made of each sample."""
        return self.run_dir / "samples.jsonl"

    def to_dict(self) -> dict[str, Any]:
        """The content of ``results.json``: plain values, numbers that are not finite as None."""
        checkpoint = {"path": self.checkpoint, "sha256": self.checkpoint_sha256} if self.checkpoint else None
        record = {
            "schema_version": SCHEMA_VERSION,
            "finished": self.finished,
            "started": self.started,
            "config_name": self.config_name,
            "checkpoint": checkpoint,
            "versions": self.versions,
            "decoder": self.decoder,
            "device": self.device,
            "precision": self.precision,
            "precision_asked": self.precision_asked,
            "resizing": self.resizing,
            "batch_size": self.setting("data", "batch_size"),
            "seed": self.config.get("seed_everything"),
            "methods": {result.name: result.to_dict() for result in self.results},
            "baselines": self.baselines,
            "differences": [asdict(each) for each in self.differences],
            "score_tables": [asdict(table) for table in self.score_tables],
            "score_note": self.score_note,
            "paper": paper.to_dict() if (paper := beside_paper(self)) else None,
            "config": self.config,
        }
        content: dict[str, Any] = plain(record)
        return content

    def write(self) -> None:
        """Write ``results.json``; a reader never sees half a file."""
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False, ensure_ascii=False)
        write_atomically(self.results_path, text + "\n")


def versions() -> dict[str, str | None]:
    """Versions of what decides the numbers; None for what is not installed."""
    found: dict[str, str | None] = {"vidtldr": vidtldr.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def device_name(device: torch.device) -> str:
    """The device as a person would call it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"CPU {_cpu_model()}({torch.get_num_threads()} threads)"
    return device.type.upper()


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    return f"{name} " if name and name != "unknown" else ""
