"""``python -m vidtldr.search``: the schedules of a method that come closest to a figure, without weights or data."""

import argparse
from collections.abc import Sequence

import yaml
from rich.console import Console

from vidtldr.errors import UserError
from vidtldr.measuring.flops_analytic import Tower
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import Method, build_method
from vidtldr.results.gflops import gflops_digits
from vidtldr.results.text_tables import Block, print_blocks
from vidtldr.search.candidates import Candidates, constant, falling

_SAME = 0.1  # GFLOPs that a figure of the paper and a count may be apart, as in `vidtldr.results.paper`


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options = _parser().parse_args(argv)
    method = _method(options.method, options.option)
    try:
        tower = build_tower(
            options.backbone,
            num_frames=options.frames,
            image_size=options.image_size,
            num_classes=options.classes,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    found = [
        constant(tower, method),
        falling(tower, method, layers=options.layers, step=options.step, totals=options.total),
    ]
    print_blocks([_block(candidates, tower, options.gflops, options.nearest) for candidates in found], Console())
    print(f"\n{_summary(found, options.gflops)}")


def _method(name: str, options: Sequence[str]) -> Method:
    given = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise UserError(f"--option {option}: write KEY=VALUE, such as metric=tokens")
        given[key] = yaml.safe_load(value)
    if "r" in given or name == "base":
        raise UserError("r is what is searched: name a method that reduces tokens, and leave r out")
    try:
        return build_method(name, **given)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error


def _block(candidates: Candidates, tower: Tower, gflops: float, count: int) -> Block:
    rows = []
    for found in candidates.nearest(gflops, count):
        r = found.method.r
        schedule = ",".join(map(str, r)) if isinstance(r, tuple) else str(r)
        rows.append([schedule, f"{found.gflops:.2f}", f"{found.gflops - gflops:+.2f}"])
    title = f"{candidates.method.name}, {candidates.kind} ({len(candidates):,} schedules)"
    return Block(title, ["r", "GFLOPs", f"beside {gflops_digits(gflops)}"], rows)


def _summary(found: Sequence[Candidates], gflops: float) -> str:
    near = sum(int((abs(candidates.gflops - gflops) <= _SAME).sum()) for candidates in found)
    listed = sum(map(len, found))
    return f"{near:,} of {listed:,} schedules come within {_SAME} GFLOPs of {gflops_digits(gflops)}."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vidtldr.search", description=__doc__)
    parser.add_argument("--gflops", type=float, required=True, help="the figure, such as 178.0")
    parser.add_argument("--backbone", required=True, help="published size, such as umt_b")
    parser.add_argument("--frames", type=int, required=True, help="frames of a clip")
    parser.add_argument("--method", default="vidtldr", help="what reduces tokens (default: %(default)s)")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="an option of it, such as metric=tokens"
    )
    parser.add_argument("--layers", type=int, default=4, help="first layers that may reduce (default: %(default)s)")
    parser.add_argument("--step", type=int, default=50, help="tokens go in multiples of it (default: %(default)s)")
    parser.add_argument(
        "--total", type=int, nargs="+", default=[], metavar="N", help="tokens that go in these layers together"
    )
    parser.add_argument("--nearest", type=int, default=8, help="schedules to show of a kind (default: %(default)s)")
    parser.add_argument("--image_size", type=int, default=224, help="pixels (default: %(default)s)")
    parser.add_argument("--classes", type=int, default=0, help="of a classifier's head (default: none)")
    return parser
