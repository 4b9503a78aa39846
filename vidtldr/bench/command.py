"""``python -m vidtldr.bench``: encoder speed and memory of a config's methods, without weights or data."""

import argparse
import contextlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from vidtldr.bench.measure import Timing, interleaved
from vidtldr.cli.entry import user_errors
from vidtldr.cli.inheritance import read_config
from vidtldr.cli.paths import find_config
from vidtldr.cli.sentences import import_class
from vidtldr.cost.analytic import Tower, analytic_gflops
from vidtldr.cost.command import print_blocks
from vidtldr.errors import UserError
from vidtldr.evaluation import build_methods
from vidtldr.merging import Method, merging
from vidtldr.merging.backends import Backend, attention_backend
from vidtldr.models.encoders import CLIP_SETTINGS, ClipEncoder, build_encoder
from vidtldr.report import describe_options
from vidtldr.results import device_name, versions
from vidtldr.tables import Block

_DTYPES = {"32": torch.float32, "bf16": torch.bfloat16, "16": torch.float16}


@dataclass(frozen=True)
class Candidate:
    """One row of the table: a method computed with one attention backend."""

    name: str
    backend: Backend
    method: Method
    gflops: float

    @property
    def label(self) -> str:
        """What to call it."""
        return self.name if self.method.name == "base" else f"{self.name} [{self.backend}]"


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options = _parser().parse_args(argv)
    device = _device(options.device)
    methods, encoder = _of_config(options.config)
    encoder.module.to(device, _DTYPES[options.precision]).eval()
    tower = Tower.of(encoder.module, num_images=encoder.images_per_clip)
    backends: list[Backend] = options.backends
    fused: list[Backend] = ["auto"]  # base is timed once: no method touches its attention
    rows = [
        Candidate(name, backend, method, analytic_gflops(tower, method))
        for name, method in methods.items()
        for backend in (fused if method.name == "base" else backends)
    ]
    clips = encoder.blank_clips(options.batch_size).normal_(generator=torch.Generator(device).manual_seed(0))
    forward: Any = torch.compile(encoder.module) if options.compile else encoder.module
    runs = {row.label: _run(row, encoder, forward, clips) for row in rows}
    with user_errors(ValueError), Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("timing", total=len(runs) * (options.rounds + 1))
        timings = interleaved(runs, rounds=options.rounds, device=device, on_run=lambda: progress.advance(task))
    block = _block(options, rows, timings)
    print_blocks([block], Console())
    facts = _facts(options, device, timings)
    print("\n" + "\n".join(f"- **{name}**: {text}" for name, text in facts.items()))
    if options.output is not None:
        _write(options.output, rows, timings, facts)


def _run(row: Candidate, encoder: ClipEncoder, forward: Callable[[Tensor], Any], clips: Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.inference_mode(), merging(encoder.module, row.method), attention_backend(row.backend):
            forward(clips)

    return run


def _of_config(name: str) -> tuple[dict[str, Method], ClipEncoder]:
    config = read_config(find_config(name))
    with contextlib.suppress(KeyError):
        model = config["model"]
        parameters = inspect.signature(import_class(model["class_path"])).parameters
        settings = {key: parameters[key].default for key in ("backbone", *CLIP_SETTINGS) if key in parameters}
        settings |= {key: value for key, value in model.get("init_args", {}).items() if key in settings}
        with user_errors(ValueError):
            return build_methods(config["methods"]), build_encoder(**settings)
    raise UserError(f"{name} names no model or no methods to compare")


def _block(options: argparse.Namespace, rows: list[Candidate], timings: dict[str, Timing]) -> Block:
    base = rows[0]
    cells = []
    for row in rows:
        timing = timings[row.label]
        cells.append(
            [
                f"{row.label} {describe_options({'r': row.method.r}) if row.method.r else ''}".strip(),
                f"{row.gflops:.4g}",
                f"{base.gflops / row.gflops:.2f}x",
                f"{timing.median_ratio:.2f}x",
                f"{options.batch_size / timing.median_seconds:.3g}",
                f"{timing.peak_memory_bytes / 2**20:.0f} MiB",
            ]
        )
    columns = ["method [attention]", "GFLOPs", "FLOPs limit", "speed-up", "clips/s", "peak memory"]
    return Block(f"{Path(options.config).stem}: encoder, beside {rows[0].label}", columns, cells)


def _facts(options: argparse.Namespace, device: torch.device, timings: dict[str, Timing]) -> dict[str, str]:
    memory = ", ".join(dict.fromkeys(timing.peak_memory_of for timing in timings.values()))
    installed = ", ".join(f"{name} {version}" for name, version in versions().items() if version)
    return {
        "measured": f"{options.rounds} rounds, candidates by turns in each; median of the ratios within a round",
        "computed": f"{device_name(device)}, precision {options.precision}, batch size {options.batch_size}, "
        f"{'compiled' if options.compile else 'not compiled'}, random weights and pixels, no decoding",
        "FLOPs limit": "base's GFLOPs over the method's: what the speed-up would be if time were FLOPs",
        "memory": f"peak of {memory}",
        "versions": installed,
    }


def _write(path: Path, rows: list[Candidate], timings: dict[str, Timing], facts: dict[str, str]) -> None:
    content = {
        "facts": facts,
        "rows": {
            row.label: {
                "rule": row.method.name,
                "backend": row.backend,
                "options": asdict(row.method),
                "gflops": row.gflops,
                "median_ratio": timings[row.label].median_ratio,
                **asdict(timings[row.label]),
            }
            for row in rows
        },
    }
    with user_errors(OSError):
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _device(name: str | None) -> torch.device:
    device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: there is no CUDA device")
    return device


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vidtldr.bench", description=__doc__)
    parser.add_argument("-c", "--config", required=True, metavar="NAME", help="a config file, or a shipped one's name")
    parser.add_argument(
        "--backends",
        nargs="+",
        choices=get_args(Backend),
        default=["auto"],
        help="attention backends that each method is computed with (default: auto)",
    )
    parser.add_argument("--batch-size", type=_positive, default=1, metavar="N", help="clips at a time (default 1)")
    parser.add_argument("--rounds", type=_positive, default=5, metavar="N", help="rounds that count (default 5)")
    parser.add_argument("--precision", choices=list(_DTYPES), default="32", help="dtype of weights and pixels")
    parser.add_argument("--device", metavar="NAME", help="cpu or cuda (default: a GPU if there is one)")
    parser.add_argument("--compile", action="store_true", help="run the encoder through torch.compile")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="also write the figures as JSON")
    return parser
