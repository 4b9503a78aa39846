"""``python -m vidtldr.bench.rerank``: one video's texts through UMT's fusion encoder, in two ways.

"Per pair" is what the official evaluation does: the video's tokens come with every text and are projected to keys and
values anew for each, texts are padded to one length, and the last layer computes all positions. "Shared" is what this
project does: keys and values are projected once a video, texts of like length go together, and the last layer computes
the position that is read.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
from rich.console import Console
from torch import Tensor

from vidtldr.bench.options import DTYPES, add_common, device_of, facts, print_facts, write_json
from vidtldr.cli.arguments import CommandParser, positive
from vidtldr.cli.entry import run as run_command
from vidtldr.measuring.timing import Timing, interleaved
from vidtldr.models.umt import UMT, UMT_SIZES, umt_size
from vidtldr.results.text_tables import Block, print_blocks


@dataclass(frozen=True)
class Pairs:
    """One video and its texts, of random states.

    Attributes:
        video: Tokens, ``[1, n, d]``.
        hidden: States of the texts, padded, ``[q, l, d]``.
        mask: Nonzero for real tokens, ``[q, l]``.
    """

    video: Tensor
    hidden: Tensor
    mask: Tensor

    @classmethod
    def random(cls, model: UMT, lengths: Sequence[int], *, num_tokens: int, padded_to: int) -> "Pairs":
        """Texts of these lengths and a video of ``num_tokens`` tokens, the same each time."""
        weight = model.vision_proj.weight
        generator = torch.Generator(weight.device).manual_seed(0)

        def states(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, device=weight.device).to(weight.dtype)

        config = model.text_encoder.config
        hidden = states(len(lengths), padded_to, config.hidden_size)
        mask = torch.arange(padded_to) < torch.tensor(lengths).unsqueeze(1)
        return cls(states(1, num_tokens, config.vision_width), hidden, mask.to(weight.device))


@torch.inference_mode()
def score_per_pair(model: UMT, pairs: Pairs, *, pairs_per_batch: int) -> Tensor:
    """Matching scores ``[q]`` with the video's tokens repeated for each text."""
    scores = []
    for start in range(0, len(pairs.hidden), pairs_per_batch):
        part = slice(start, start + pairs_per_batch)
        hidden, mask = pairs.hidden[part], pairs.mask[part]
        tokens = pairs.video.expand(len(hidden), -1, -1)
        fused = model.text_encoder.fuse(hidden, mask, tokens)
        scores.append(model.itm_head(fused[:, 0])[:, 1].float())
    return torch.cat(scores)


@torch.inference_mode()
def score_shared(model: UMT, pairs: Pairs, *, texts_per_batch: int = 64) -> Tensor:
    """The same with the video's keys and values projected once, and texts cut to the longest of their batch."""
    lengths = pairs.mask.sum(dim=1)
    scores = pairs.hidden.new_empty(len(lengths), dtype=torch.float32)
    keys_values = model.text_encoder.project_keys_values(pairs.video)
    for part in lengths.argsort(stable=True).split(texts_per_batch):
        longest = int(lengths[part].max())
        hidden, mask = pairs.hidden[part, :longest], pairs.mask[part, :longest]
        scores[part] = model.match_logits(hidden, mask, keys_values=keys_values)[:, 1]
    return scores


def main(argv: Sequence[str]) -> None:
    """Time both and compare their scores.

    Raises:
        UserError: Something that the user can mend.
    """
    options = _parser().parse_args(argv)
    device = device_of(options.device)
    model = UMT(umt_size(options.backbone), num_frames=1).to(device, DTYPES[options.precision]).eval()
    runs: dict[str, Callable[[], Tensor]] = {}
    for label, lengths in _texts(options).items():
        pairs = Pairs.random(model, lengths, num_tokens=options.num_tokens, padded_to=options.text_tokens)
        if not runs:
            runs["per pair"] = partial(score_per_pair, model, pairs, pairs_per_batch=options.batch_size)
            difference = float((runs["per pair"]() - score_shared(model, pairs)).abs().max())
        runs[f"shared, {label}"] = partial(score_shared, model, pairs)
    timings = interleaved(runs, rounds=options.rounds, device=device)
    print_blocks([_block(options, timings)], Console())
    described = facts(options, device) | _facts(options, difference)
    print_facts(described)
    rows = {name: asdict(timing) | {"median_ratio": timing.median_ratio} for name, timing in timings.items()}
    write_json(options.output, {"facts": described, "largest_difference": difference, "rows": rows})


def _texts(options: argparse.Namespace) -> dict[str, list[int]]:
    """Lengths of the texts: all as long as they may be, and spread as those of short captions are."""
    longest, count = options.text_tokens, options.pairs
    short = max(1, longest // 4)
    captions = [min(longest, short + index % (short + 1)) for index in range(count)]
    return {f"texts of {longest} tokens": [longest] * count, f"of {min(captions)} to {max(captions)}": captions}


def _block(options: argparse.Namespace, timings: dict[str, Timing]) -> Block:
    rows = [[name, f"{timing.median_seconds:.3g}", f"{timing.median_ratio:.1f}x"] for name, timing in timings.items()]
    title = f"re-ranking: {options.pairs} pairs of a video of {options.num_tokens} tokens, {options.backbone}"
    return Block(title, ["keys and values", "seconds", "speed-up"], rows)


def _facts(options: argparse.Namespace, difference: float) -> dict[str, str]:
    return {
        "per pair": f"tokens projected for each text, {options.batch_size} pairs at a time, all texts padded to "
        f"{options.text_tokens} tokens",
        "scores": f"of both ways differ by at most {difference:.1e}",
    }


def _parser() -> CommandParser:
    parser = CommandParser("python -m vidtldr.bench.rerank", __doc__.split("\n\n")[0])
    parser.add_argument("--backbone", choices=list(UMT_SIZES), default="umt_b", help="size of the model")
    parser.add_argument("--pairs", type=positive, default=256, metavar="N", help="texts of the video (default 256)")
    parser.add_argument("--text-tokens", type=positive, default=32, metavar="N", help="longest text (default 32)")
    parser.add_argument("--num-tokens", type=positive, default=2352, metavar="N", help="default: 12 frames, unmerged")
    parser.add_argument("--batch-size", type=positive, default=16, metavar="N", help="pairs at a time, where per pair")
    add_common(parser, rounds=3)
    return parser


if __name__ == "__main__":
    sys.exit(run_command("vidtldr.bench.rerank"))
