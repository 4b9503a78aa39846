"""``python -m vidtldr.bench.stages``: what one video costs in each stage of an evaluation, per method.

Decoding is the input pipeline as evaluations use it (worker processes, exact frames, resizing), on given videos or on
generated ones. Encoding is the config's encoder with random weights. Re-ranking, where the config's task has it, is
UMT's fusion encoder on as many tokens as the method leaves.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from torch.utils.data import DataLoader

from datamodules.loading.clip_datasets import ClipDataset
from vidtldr.bench.encoders import Candidate, Loaded, Workload, model_section, model_settings
from vidtldr.bench.options import DTYPES, add_common, device_of, facts, print_facts, write_json
from vidtldr.bench.rerank import Pairs, score_shared
from vidtldr.bench.videos import videos_for
from vidtldr.cli.arguments import CommandParser, positive
from vidtldr.cli.entry import run as run_command
from vidtldr.cli.entry import user_errors
from vidtldr.errors import UserError
from vidtldr.measuring.timing import Run, Timing, interleaved
from vidtldr.models.umt import UMT, umt_size
from vidtldr.results.text_tables import Block, print_blocks

_TEXT_TOKENS = 12  # a caption of MSR-VTT


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options = _parser().parse_args(argv)
    device = device_of(options.device)
    workload = Workload(options.config, ("auto",), options.batch_size, str(device), DTYPES[options.precision])
    loaded = workload.load()
    with tempfile.TemporaryDirectory(prefix="vidtldr-") as folder, _progress() as progress:
        videos = videos_for(options.videos, Path(folder), options.num_videos)
        runs = {"decode": _decode(options, videos)}
        runs |= {f"encode, {row.name}": loaded.run(row) for row in loaded.candidates}
        runs |= _reranking(options, loaded)
        task = progress.add_task("timing", total=len(runs) * (options.rounds + 1))
        timings = interleaved(runs, rounds=options.rounds, device=device, on_run=lambda: progress.advance(task))
    videos_per_run = {name: _videos_of(name, options, videos) for name in timings}
    print_blocks([_block(options, loaded.candidates, timings, videos_per_run)], Console())
    described = facts(options, device) | _facts(options, videos)
    print_facts(described)
    rows = {name: asdict(timing) | {"videos": videos_per_run[name]} for name, timing in timings.items()}
    write_json(options.output, {"facts": described, "rows": rows})


def _progress() -> Progress:
    return Progress(console=Console(stderr=True), transient=True)


def _decode(options: argparse.Namespace, videos: list[Path]) -> Run:
    settings = model_settings(model_section(options.config), ("num_frames", "image_size"))
    dataset = ClipDataset(videos, settings["num_frames"], settings["image_size"])
    loader: DataLoader = DataLoader(
        dataset,
        batch_size=None,
        num_workers=options.num_workers,
        persistent_workers=options.num_workers > 0,
        multiprocessing_context="spawn" if options.num_workers else None,
    )

    def run() -> None:
        for item in loader:
            if item.broken is not None:
                raise UserError(f"--videos: {item.broken}")

    return run


def _reranking(options: argparse.Namespace, loaded: Loaded) -> dict[str, Callable[[], object]]:
    """The fusion encoder on the tokens of each method, if the config's task is retrieval with UMT."""
    model = model_section(options.config)
    if not model["class_path"].endswith("VideoTextRetrieval"):
        return {}
    settings = model_settings(model, ("backbone", "size", "k_test", "max_text_length"))
    with user_errors(ValueError):
        size = umt_size(settings["backbone"], dict(settings["size"] or {}))
    umt = UMT(size, num_frames=1).to(loaded.clips.device, loaded.clips.dtype).eval()
    lengths = [min(_TEXT_TOKENS, settings["max_text_length"])] * options.pairs
    runs: dict[str, Callable[[], object]] = {}
    for row in loaded.candidates:
        num_tokens = loaded.run(row)()[0].shape[1]
        pairs = Pairs.random(umt, lengths, num_tokens=num_tokens, padded_to=max(lengths))
        runs[f"re-rank, {row.name}"] = partial(score_shared, umt, pairs)
    return runs


def _videos_of(name: str, options: argparse.Namespace, videos: list[Path]) -> int:
    """How many videos a run of this stage goes through."""
    stage = name.split(",")[0]
    return {"decode": len(videos), "encode": options.batch_size}.get(stage, 1)


def _block(
    options: argparse.Namespace, methods: list[Candidate], timings: dict[str, Timing], videos: dict[str, int]
) -> Block:
    """Seconds a video by stage; the slowest of decoding and the model's stages together says what to mend."""
    seconds = {name: timing.median_seconds / videos[name] for name, timing in timings.items()}
    rows = []
    for method in methods:
        stages = [seconds["decode"], seconds[f"encode, {method.name}"], seconds.get(f"re-rank, {method.name}", 0.0)]
        model = stages[1] + stages[2]
        cells = [f"{stage:.3g}" if stage else "-" for stage in stages]
        rows.append([method.name, *cells, f"{model:.3g}", "decoding" if stages[0] > model else "the model"])
    columns = ["method", "decode", "encode", "re-rank", "model", "waited for"]
    return Block(f"{Path(options.config).stem}: seconds a video, by stage", columns, rows)


def _facts(options: argparse.Namespace, videos: list[Path]) -> dict[str, str]:
    which = "given" if options.videos else "generated: 10 s, 320x240, H.264"
    return {
        "decode": f"{len(videos)} videos ({which}), {options.num_workers} worker processes; with workers beside the "
        "model, so the slower of the two sets the pace",
        "encode": f"batch size {options.batch_size}",
        "re-rank": f"{options.pairs} texts of {_TEXT_TOKENS} tokens a video",
    }


def _parser() -> CommandParser:
    parser = CommandParser("python -m vidtldr.bench.stages", __doc__.split("\n\n")[0])
    parser.add_argument("-c", "--config", required=True, metavar="NAME", help="a config file, or a shipped one's name")
    parser.add_argument("--videos", type=Path, metavar="DIR", help="decode videos of this folder, not generated ones")
    parser.add_argument("--num-videos", type=positive, default=8, metavar="N", help="videos to decode (default 8)")
    parser.add_argument("--num-workers", type=int, default=2, metavar="N", help="processes that decode (default 2)")
    parser.add_argument("--batch-size", type=positive, default=1, metavar="N", help="clips encoded at a time")
    parser.add_argument("--pairs", type=positive, default=256, metavar="N", help="texts re-ranked a video")
    add_common(parser, rounds=3)
    return parser


if __name__ == "__main__":
    sys.exit(run_command("vidtldr.bench.stages"))
