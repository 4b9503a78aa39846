"""``python -m vidtldr.cost``: GFLOPs without weights, data or a model in memory."""

from collections.abc import Sequence

from rich.console import Console

from vidtldr.cli.arguments import CommandParser
from vidtldr.errors import UserError
from vidtldr.results.text_tables import print_blocks


def main(argv: Sequence[str]) -> None:
    """Run the command with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    options = _parser().parse_args(argv)
    if not options.tables and not options.config:
        raise UserError("nothing to count: add --tables, --config NAME or both")
    # Imported late: one reads all backbones, the other all that a config may name.
    if options.config:
        from vidtldr.cost.of_config import config_block

        print_blocks([config_block(options.config, options.pairs)], Console())
    if options.tables:
        from vidtldr.cost.comparison import summary, table_blocks

        print_blocks(table_blocks(), Console())
        print(f"\n{summary()}")


def _parser() -> CommandParser:
    parser = CommandParser("python -m vidtldr.cost", __doc__)
    parser.add_argument("--tables", action="store_true", help="every GFLOPs figure of the paper beside ours")
    parser.add_argument(
        "-c",
        "--config",
        action="append",
        metavar="NAME",
        help="the methods of a config: a file, or the name of a shipped one; several overlay each other",
    )
    parser.add_argument("--pairs", help="pre-training, where the config gives schedules for several: 5M, 17M or 25M")
    return parser
