"""``python -m vidtldr.evidence``: do scores of tokens find the objects of generated videos, where the truth is known?

Options of eval.py work here too, for all configs alike, such as --data.root DIR or --trainer.accelerator cpu.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from callbacks.progress import ProgressCallback
from vidtldr.cli.arguments import CommandParser, positive
from vidtldr.cli.entry import user_errors
from vidtldr.evidence.charts import frame_chart, layer_chart
from vidtldr.evidence.report import as_json, blocks
from vidtldr.evidence.subjects import Evidence, Subject, gather
from vidtldr.results.text_tables import print_blocks
from vidtldr.storage.atomic_files import write_atomically

DEMOS = ("demo.yaml", "demo_recognition.yaml", "demo_base2novel.yaml", "demo_vqa.yaml")


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options, overrides = _parser().parse_known_args(argv)
    with user_errors(OSError):
        options.out.mkdir(parents=True, exist_ok=True)
    found = [_evidence_of(name, overrides, options) for name in options.config or DEMOS]
    print_blocks(blocks(found), Console())
    content = as_json(found, videos=options.videos, seed=options.seed)
    write_atomically(options.out / "evidence.json", json.dumps(content, indent=1) + "\n")
    write_atomically(options.out / "evidence_layers.svg", layer_chart(found))
    write_atomically(options.out / "evidence_frames.svg", frame_chart(found))
    print(f"\nwritten to {options.out}: evidence.json, evidence_layers.svg, evidence_frames.svg")


def _evidence_of(name: str, overrides: Sequence[str], options: argparse.Namespace) -> Evidence:
    subject = Subject.of_config(name, overrides, seed=options.seed)
    progress = ProgressCallback(subject.name)
    progress.on_stage_start("compare with the truth", min(options.videos, sum(map(len, subject.datasets))))
    try:
        found = gather(subject, options.videos, seed=options.seed, on_done=progress.on_stage_advance)
        progress.on_stage_end()
    finally:
        progress.close()
    return found


def _parser() -> CommandParser:
    about, details = (__doc__ or "").split("\n\n", 1)
    parser = CommandParser(
        "python -m vidtldr.evidence",
        about,
        usage="python -m vidtldr.evidence [--config NAME ...] [--videos N] [--seed N] [--out DIR] [options]",
        epilog=details,
    )
    parser.add_argument(
        "-c",
        "--config",
        action="append",
        metavar="NAME",
        help="a config with generated videos; may be repeated, each is a model of its own (default: the four demos)",
    )
    parser.add_argument("--videos", type=positive, default=60, metavar="N", help="videos for each model (60)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of untrained weights and of the random score (0)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("outputs/evidence"),
        metavar="DIR",
        help="folder to write to (outputs/evidence)",
    )
    return parser
