"""``python -m vidtldr.bench.decoding``: how long each decoder takes for the frames of each protocol.

One thread, frames only: no resizing, no workers. decord is the first, so that ratios tell how many times as fast as
decord the others are; they mean something only for files that decord reads right, such as MP4s of H.264.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from types import MappingProxyType

import torch
from rich.console import Console

from datamodules.clips.decoder import Decoder, FrameSampler, check_decoder, decoder_version, read_clip
from datamodules.clips.sampling import dense_views, interleaved_views, middle_frames, segment_centres
from vidtldr.bench.options import print_facts, write_json
from vidtldr.bench.videos import videos_for
from vidtldr.cli.arguments import CommandParser, positive
from vidtldr.cli.entry import run as run_command
from vidtldr.cli.entry import user_errors
from vidtldr.measuring.timing import Timing, interleaved
from vidtldr.results.text_tables import Block, print_blocks


def _once(views: list[list[int]]) -> list[int]:
    """The frames of several views, each once."""
    return sorted(set(chain.from_iterable(views)))


PROTOCOLS: Mapping[str, FrameSampler] = MappingProxyType(
    {
        "UMT, 12 frames": lambda length: middle_frames(length, 12),
        "VideoMAE on UCF101, 5 clips of 16, stride 4": lambda length: _once(dense_views(length, 16, 4, 5)),
        "VideoMAE on SSv2, 2 clips of 16": lambda length: _once(interleaved_views(length, 16, 2)),
        "ViFi-CLIP, 32 frames": lambda length: segment_centres(length, 32),
    }
)


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options = _parser().parse_args(argv)
    with user_errors(ValueError):
        for decoder in options.decoders:
            check_decoder(decoder)
    with tempfile.TemporaryDirectory(prefix="vidtldr-") as folder, user_errors(ValueError):
        videos = videos_for(options.videos, Path(folder), options.num_videos)
        timings = {
            protocol: interleaved(
                {decoder: _decode(videos, sample, decoder) for decoder in options.decoders},
                rounds=options.rounds,
                device=torch.device("cpu"),
            )
            for protocol, sample in PROTOCOLS.items()
        }
    print_blocks([_block(protocol, rows, len(videos)) for protocol, rows in timings.items()], Console())
    where = "generated" if options.videos is None else str(options.videos)
    described = {
        "videos": f"{len(videos)}, {where}",
        "measured": f"{options.rounds} rounds, decoders by turns in each; median of the ratios within a round",
        "decoders": ", ".join(decoder_version(decoder) for decoder in options.decoders),
    }
    print_facts(described)
    rows = {protocol: {name: asdict(timing) for name, timing in row.items()} for protocol, row in timings.items()}
    write_json(options.output, {"facts": described, "rows": rows})


def _decode(videos: Sequence[Path], sample: FrameSampler, decoder: Decoder) -> Callable[[], None]:
    def run() -> None:
        for video in videos:
            read_clip(video, sample, decoder=decoder)

    return run


def _block(protocol: str, timings: dict[str, Timing], num_videos: int) -> Block:
    rows = [
        [name, f"{1000 * timing.median_seconds / num_videos:.1f}", f"{timing.median_ratio:.2f}x"]
        for name, timing in timings.items()
    ]
    return Block(protocol, ["decoder", "ms a video", "speed-up"], rows)


def _parser() -> CommandParser:
    parser = CommandParser("python -m vidtldr.bench.decoding", __doc__.split("\n\n")[0])
    parser.add_argument("--videos", type=Path, metavar="FOLDER", help="videos to read (default: generated ones)")
    parser.add_argument("--num-videos", type=positive, default=4, metavar="N", help="how many (default 4)")
    parser.add_argument(
        "--decoders",
        nargs="+",
        choices=["pyav", "decord", "torchcodec"],
        default=["decord", "pyav"],
        metavar="NAME",
        help="decoders to compare, the first with the others (default: decord pyav)",
    )
    parser.add_argument("--rounds", type=positive, default=9, metavar="N", help="rounds that count (default 9)")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="also write the figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(run_command("vidtldr.bench.decoding"))
