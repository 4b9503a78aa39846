"""``python -m vidtldr.bench``: encoder speed and memory of a config's methods, without weights or data."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.progress import Progress

from vidtldr.bench.encoders import Candidate, Workload, activation_peaks
from vidtldr.bench.options import DTYPES, add_common, check_compiler, device_of, facts, print_facts, write_json
from vidtldr.cli.arguments import CommandParser, positive
from vidtldr.cli.entry import user_errors
from vidtldr.measuring.timing import Timing, interleaved
from vidtldr.merging.attention.backends import Backend
from vidtldr.results.gflops import gflops_digits
from vidtldr.results.report import describe_options
from vidtldr.results.text_tables import Block, print_blocks


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options = _parser().parse_args(argv)
    device = device_of(options.device)
    if options.compile:
        check_compiler(device)
    workload = Workload(
        options.config,
        tuple(options.backends),
        options.batch_size,
        str(device),
        DTYPES[options.precision],
        options.compile,
    )
    loaded = workload.load()
    rows = loaded.candidates
    runs = {row.label: loaded.run(row) for row in rows}
    with user_errors(ValueError), Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("timing", total=len(runs) * (options.rounds + 1))
        timings = interleaved(runs, rounds=options.rounds, device=device, on_run=lambda: progress.advance(task))
        task = progress.add_task("memory", total=len(runs))
        peaks = activation_peaks(workload, len(runs), on_done=lambda: progress.advance(task))
    print_blocks([_block(options, rows, timings, peaks)], Console())
    described = facts(options, device) | _facts(options)
    print_facts(described)
    content = {"facts": described, "rows": {row.label: _figures(row, timings[row.label], peak)
                                            for row, peak in zip(rows, peaks)}}  # fmt: skip
    write_json(options.output, content)


def _block(
    options: argparse.Namespace, rows: list[Candidate], timings: dict[str, Timing], peaks: Sequence[int]
) -> Block:
    base = rows[0]
    cells = [
        [
            f"{row.label} {describe_options({'r': row.method.r}) if row.method.r else ''}".strip(),
            gflops_digits(row.gflops),
            f"{base.gflops / row.gflops:.2f}x",
            f"{timings[row.label].median_ratio:.2f}x",
            f"{options.batch_size / timings[row.label].median_seconds:.3g}",
            f"{peak / 2**20:.0f} MiB",
        ]
        for row, peak in zip(rows, peaks, strict=True)
    ]
    columns = ["method [attention]", "GFLOPs", "FLOPs limit", "speed-up", "clips/s", "activations"]
    return Block(f"{Path(options.config).stem}: encoder, beside {base.label}", columns, cells)


def _facts(options: argparse.Namespace) -> dict[str, str]:
    compiled = "compiled" if options.compile else "not compiled"
    return {
        "input": f"batch size {options.batch_size}, random pixels, no decoding, {compiled}",
        "FLOPs limit": "base's GFLOPs over the method's: what the speed-up would be if time were FLOPs",
        "activations": "how far memory peaks during a forward pass above what was taken before it; on a CPU resident "
        "memory of a process of its own for each candidate, on a GPU what torch has allocated",
    }


def _figures(row: Candidate, timing: Timing, peak: int) -> dict[str, Any]:
    return {
        "rule": row.method.name,
        "backend": row.backend,
        "options": asdict(row.method),
        "gflops": row.gflops,
        "median_ratio": timing.median_ratio,
        **asdict(timing),
        "activation_bytes": peak,
    }


def _parser() -> CommandParser:
    parser = CommandParser(
        "python -m vidtldr.bench",
        __doc__,
        epilog="Others: python -m vidtldr.bench.attention (one layer), .rerank (the fusion encoder), .stages (all of "
        "an evaluation).",
    )
    parser.add_argument("-c", "--config", required=True, metavar="NAME", help="a config file, or a shipped one's name")
    parser.add_argument(
        "--backends",
        nargs="+",
        choices=get_args(Backend),
        default=["auto"],
        help="attention backends that each method is computed with (default: auto)",
    )
    parser.add_argument("--batch-size", type=positive, default=1, metavar="N", help="clips at a time (default 1)")
    parser.add_argument("--compile", action="store_true", help="run the encoder through torch.compile")
    add_common(parser, rounds=5)
    return parser
