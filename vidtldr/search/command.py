"""``python -m vidtldr.search``: which schedule of a method to take.

With --config: schedules within a budget are evaluated on the data of a config, many on a few videos, the best on all.
Options of eval.py, such as --data.root or --trainer.devices, are understood too. Without: the schedules that come
closest to a printed figure, without weights or data.
"""

import argparse
from collections.abc import Mapping, Sequence

import yaml
from rich.console import Console

from vidtldr.cli.arguments import CommandParser, positive
from vidtldr.errors import UserError
from vidtldr.measuring.flops_analytic import Tower, analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import build_method
from vidtldr.results.gflops import gflops_digits
from vidtldr.results.text_tables import Block, print_blocks
from vidtldr.search.budgets import Budget
from vidtldr.search.candidates import Candidates, constant, falling
from vidtldr.search.tried import Choice

_STEP = 50  # of the paper's lists
_SAME = 0.1  # GFLOPs that a figure of the paper and a count may be apart, as in `vidtldr.results.paper`


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options, rest = _parser().parse_known_args(argv)
    given = _given(options.option, options.method)
    if options.config:
        _on_data(options, given, rest)
    elif rest:
        raise UserError(f"unknown option {rest[0]}: without --config, no data are read")
    else:
        _by_figure(options, given)


def _on_data(options: argparse.Namespace, given: Mapping[str, object], rest: Sequence[str]) -> None:
    # Late: Lightning comes with it, and a figure needs none.
    from vidtldr.search.on_data import Search, run

    texts = options.budget_gflops or options.budget_latency
    if not texts:
        raise UserError("a search on data needs a budget: --budget-gflops 0.7x, or --budget-latency 12 (milliseconds)")
    if options.candidates < 2 or not 0 < options.slack < 1:
        raise UserError(f"--candidates {options.candidates} --slack {options.slack}: at least 2, and between 0 and 1")
    choice = Choice(
        entry=options.method,
        budgets=tuple(Budget.parse(text) for text in texts),
        count=options.candidates,
        slack=options.slack,
        layers=options.layers,
        step=options.step,
    )
    configs = [word for name in options.config for word in ("--config", name)]
    search = Search(choice, given, tuple(options.rungs), in_milliseconds=not options.budget_gflops)
    run(search, [*configs, *rest])


def _by_figure(options: argparse.Namespace, given: Mapping[str, object]) -> None:
    if options.gflops is None or options.backbone is None or options.frames is None:
        raise UserError("give --config NAME to search on data, or --gflops, --backbone and --frames to meet a figure")
    try:
        method = build_method(options.method, **given)
        tower = build_tower(
            options.backbone,
            num_frames=options.frames,
            image_size=options.image_size,
            num_classes=options.classes,
        )
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error
    base = analytic_gflops(tower)
    if not 0 < options.gflops <= base + _SAME:
        raise UserError(
            f"--gflops {options.gflops:g} must be above 0 and at most {gflops_digits(base)}, which {options.backbone} "
            f"costs with {options.frames} frames unreduced"
        )
    step = options.step or _STEP
    listed = falling(tower, method, layers=options.layers, step=step, totals=options.total)
    if options.total and not len(listed):
        raise UserError(
            f"--total {' '.join(map(str, options.total))}: no schedule of {listed.kind}; try another total, "
            "a smaller --step or more --layers"
        )
    found = [constant(tower, method), listed]
    print_blocks([_block(candidates, tower, options.gflops, options.nearest) for candidates in found], Console())
    print(f"\n{_summary(found, options.gflops)}")


def _given(options: Sequence[str], name: str) -> dict[str, object]:
    """Options of the method, as they are written on the command line."""
    given = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise UserError(f"--option {option}: write KEY=VALUE, such as metric=tokens")
        given[key] = yaml.safe_load(value)
    if "r" in given or name == "base":
        raise UserError("r is what is searched: name a method that reduces tokens, and leave r out")
    return given


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


def _parser() -> CommandParser:
    parser = CommandParser("python -m vidtldr.search", __doc__)
    parser.add_argument("--method", default="vidtldr", help="entry of the config, or a method (default: %(default)s)")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="an option of it, such as metric=tokens"
    )
    parser.add_argument(
        "--layers", type=positive, metavar="N", default=4, help="first layers that may reduce (default: %(default)s)"
    )
    parser.add_argument(
        "--step",
        type=positive,
        metavar="N",
        help=f"tokens go in multiples of it (default: {_STEP} for a figure, a 48th of the tokens on data)",
    )
    data = parser.add_argument_group("on data")
    data.add_argument("-c", "--config", action="append", metavar="NAME", help="model, data and method, as for eval.py")
    budgets = data.add_mutually_exclusive_group()
    budgets.add_argument(
        "--budget-gflops",
        nargs="+",
        metavar="N",
        help="GFLOPs of a clip, or a share of base such as 0.7x; each budget has candidates of its own",
    )
    budgets.add_argument(
        "--budget-latency",
        nargs="+",
        metavar="N",
        help="milliseconds that the encoder takes for a clip on this device, or a share of base",
    )
    data.add_argument(
        "--candidates", type=positive, metavar="N", default=16, help="schedules of a budget (default: %(default)s)"
    )
    data.add_argument(
        "--slack", type=float, default=0.03, help="share of the budget that they may leave (default: %(default)s)"
    )
    data.add_argument(
        "--rungs",
        type=positive,
        nargs="+",
        default=[8, 4, 2, 1],
        metavar="N",
        help="one in N videos is looked at, and half of the candidates goes on (default: 8 4 2 1)",
    )
    figure = parser.add_argument_group("by a printed figure")
    figure.add_argument("--gflops", type=float, help="the figure, such as 178.0")
    figure.add_argument("--backbone", help="published size, such as umt_b")
    figure.add_argument("--frames", type=positive, metavar="N", help="frames of a clip")
    figure.add_argument(
        "--total", type=positive, nargs="+", default=[], metavar="N", help="tokens that go in these layers together"
    )
    figure.add_argument(
        "--nearest", type=positive, metavar="N", default=8, help="schedules to show of a kind (default: %(default)s)"
    )
    figure.add_argument("--image_size", type=positive, metavar="N", default=224, help="pixels (default: %(default)s)")
    figure.add_argument(
        "--classes", type=positive, metavar="N", default=0, help="of a classifier's head (default: none)"
    )
    return parser
