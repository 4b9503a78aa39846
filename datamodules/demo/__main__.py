"""Command line of the demo data sets: ``python -m datamodules.demo --root data/demo --splits test``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from datamodules.demo import SPLITS, write_clip_vocabulary, write_question_vocabulary, write_vocabulary
from datamodules.demo.sets.every import SETS
from datamodules.demo.sets.production import ensure

_VOCABULARIES = {
    "retrieval": write_vocabulary,
    "vqa": write_question_vocabulary,
    "base2novel": write_clip_vocabulary,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments ask for; return the exit code (2 after a user's mistake)."""
    options = _parser().parse_args(arguments)
    videos = SETS[options.set]
    try:
        if options.contact_sheet is not None:
            from datamodules.demo.pictures.contact_sheet import write_contact_sheet

            indices = range(options.first, options.first + options.rows)
            write_contact_sheet(options.contact_sheet, videos, options.splits[0], list(indices))
        if options.vocabulary is not None:
            if options.set not in _VOCABULARIES:
                raise ValueError(f"the set {options.set} has no words; --vocabulary is for {', '.join(_VOCABULARIES)}")
            _VOCABULARIES[options.set](options.vocabulary)
        if options.root is not None:
            counts = {name: count for name in SPLITS if (count := getattr(options, name)) is not None}
            ensure(videos, options.root, options.splits, num_videos=counts, processes=options.processes)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m datamodules.demo", description="Make the demo data sets.")
    parser.add_argument("--set", choices=list(SETS), default="retrieval", help="which one (default: retrieval)")
    parser.add_argument("--root", type=Path, metavar="DIR", help="write the data set into this folder")
    parser.add_argument("--splits", nargs="+", choices=list(SPLITS), default=["test"], help="default: test")
    for name in SPLITS:
        numbers = ", ".join(f"{videos.splits[name].num_videos} for {label}" for label, videos in SETS.items())
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"videos of the split {name} (default {numbers})")
    parser.add_argument("--processes", type=int, metavar="N", help="worker processes (default: as the job needs)")
    parser.add_argument("--vocabulary", type=Path, metavar="FILE", help="write the word list (vocab.txt)")
    parser.add_argument("--contact-sheet", type=Path, metavar="FILE.png", help="draw videos of the first split")
    parser.add_argument("--rows", type=int, default=6, metavar="N", help="videos on the contact sheet (default 6)")
    parser.add_argument("--first", type=int, default=0, metavar="I", help="first video on the contact sheet")
    return parser


if __name__ == "__main__":
    sys.exit(main())
