"""``python -m vidtldr.figures``: figures 2, 4, 5, 6 and A of the paper, for the model, methods and videos of a config.

On samples of the config's test set, or with --video on files of your own, which need no annotation. Options of eval.py
work here too, such as --only base,tome, --methods.tome.r 20, --data.root DIR, --model.checkpoint FILE, --limit N.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from vidtldr.cli.arguments import CommandParser, positive
from vidtldr.cli.argv import configs_named
from vidtldr.cli.entry import user_errors
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.cli.sentences import import_class
from vidtldr.errors import UserError
from vidtldr.evaluation.methods import build_methods, check_methods_fit
from vidtldr.figures.clips import clips_of_videos
from vidtldr.figures.drawing import CLIP_FIGURES, FIGURES, Album
from vidtldr.figures.of_clip import Place
from vidtldr.measuring.shown_clips import TestSet
from vidtldr.tasks.base import AnyTask

_log = logging.getLogger(__name__)


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options, rest = _parser().parse_known_args(argv)
    figures = options.figures or (CLIP_FIGURES if options.video else FIGURES)
    if not configs_named(rest):
        raise UserError("no config given: add --config NAME, whose model and methods are drawn")
    cli = EvalCLI(rest)
    methods = build_methods(cli.config.methods, cli.config.only)
    test_set = None if options.video else TestSet(cli.build_data("test"))
    task: AnyTask = cli.build_model().eval()  # type: ignore[assignment]  # checked in the next line
    check_methods_fit(task, methods)
    if cli.init_args("model").get("checkpoint") is None:
        _log.warning("the model's weights are random: --model.checkpoint FILE loads trained ones")
    task.to(cli.make_trainer(False, []).strategy.root_device)
    album = Album(
        encoder=task.vision_encoder,
        methods={name: method for name, method in methods.items() if method.name != "base"},
        folder=options.out or Path("outputs") / cli.config_name / "figures",
        layer=None if options.layer is None else options.layer - 1,
        query=options.query,
    )
    with user_errors(ValueError, OSError):
        if test_set is None:
            clips = clips_of_videos(options.video, **_shape(cli))
            album.draw_clips(clips, figures)
            if 5 in figures:
                album.draw_set(clips, len(clips))
        else:
            if set(figures) & set(CLIP_FIGURES):
                named = [test_set.named(name) for name in options.sample]
                album.draw_clips(named or test_set.spread(options.samples), figures)
            if 5 in figures:
                album.draw_set(test_set.all(), len(test_set))
    print(f"written to {album.folder}")


class _Shape(TypedDict):
    data_class: type
    num_frames: int
    image_size: int


def _shape(cli: EvalCLI) -> _Shape:
    """How the config's data would show a video to the model."""
    data = cli.init_args("data")
    if missing := [key for key in ("num_frames", "image_size") if key not in data]:
        raise UserError(f"--video needs data.{missing[0]}, which {cli.config.data.class_path} has not")
    return {
        "data_class": import_class(cli.config.data.class_path),
        "num_frames": data.num_frames,
        "image_size": data.image_size,
    }


def _parser() -> CommandParser:
    about, details = (__doc__ or "").split("\n\n", 1)
    parser = CommandParser(
        "python -m vidtldr.figures",
        about,
        usage="python -m vidtldr.figures --config NAME [--samples N | --sample NAME | --video FILE ...] [options]",
        epilog=details,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--samples", type=positive, default=6, metavar="N", help="clips, spread over the test set (6)")
    which.add_argument("--sample", action="append", default=[], metavar="NAME", help="this video; may be repeated")
    which.add_argument("--video", nargs="+", type=Path, default=[], metavar="FILE", help="videos of your own")
    parser.add_argument(
        "--figures",
        type=_figures,
        metavar="LIST",
        help="2: saliency, attentiveness, rollout; 4: attention of a patch; 5: share of each frame, a mean over the "
        "test set (--limit N: its first videos), and A; 6: where tokens merged (default 2,4,5,6; with --video 2,4,6)",
    )
    parser.add_argument(
        "--layer",
        type=positive,
        metavar="N",
        help="layer that is looked at, from 1 (default: the first; in figure 6 the last in which a method whose r "
        "is a list reduces, or else the last of all)",
    )
    parser.add_argument(
        "--query",
        type=_place,
        metavar="FRAME,ROW,COL",
        help="patch of figure 4, from 0 on, time in tubelets (default: the two of sharpest and flattest attention)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write to (default outputs/CONFIG/figures)")
    return parser


def _figures(text: str) -> tuple[int, ...]:
    numbers = text.replace(",", " ").split()
    if not numbers or not all(number in map(str, FIGURES) for number in numbers):
        raise argparse.ArgumentTypeError(f"must be a list of {', '.join(map(str, FIGURES))}, not '{text}'")
    return tuple(map(int, numbers))


def _place(text: str) -> Place:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"must be FRAME,ROW,COL, such as 0,2,3, not '{text}'")
    step, row, column = map(int, parts)
    return step, row, column
