"""``python -m vidtldr.page``: one page from one run or several, to be opened from disk."""

import os
from collections.abc import Sequence
from pathlib import Path

from vidtldr.cli.arguments import CommandParser
from vidtldr.errors import UserError


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options = _parser().parse_args(argv)
    # Late: these import torch and matplotlib, and a typo need not wait for them.
    from vidtldr.page.runs import read_runs
    from vidtldr.page.writer import write_page

    runs = read_runs(options.runs)
    out = options.out or _common_folder([run.folder for run in runs]) / "page"
    print(f"page: {write_page(runs, out, baseline=options.baseline)}")


def _common_folder(folders: Sequence[Path]) -> Path:
    """The folder of the run, or the deepest one that holds all runs.

    Raises:
        UserError: They lie on different drives.
    """
    try:
        return Path(os.path.commonpath(folders))
    except ValueError as error:
        raise UserError("the runs have no folder in common: say with --out where the page shall go") from error


def _parser() -> CommandParser:
    parser = CommandParser("python -m vidtldr.page", __doc__)
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="folder of a run, such as outputs/demo/2026-01-31_12-00-00; outputs/demo stands for the newest run in it",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the page (default: page/ beside the runs)")
    parser.add_argument(
        "--baseline", metavar="NAME", help="the method that others are compared with (default: the unreduced model)"
    )
    return parser
