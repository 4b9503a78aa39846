"""A table of text: drawn on a terminal, Markdown in a pipe or file."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 120
_FIRST_WIDTH = 44


@dataclass(frozen=True)
class Block:
    """A table before it is drawn.

    Attributes:
        title: What it shows.
        columns: Headings; the first column names the row.
        rows: Cells as text, as many a row as there are columns.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]


def draw(block: Block, *, first_width: int = 24) -> Table:
    """The table for a terminal; names of rows longer than ``first_width`` columns are folded."""
    table = Table(title=block.title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for index, column in enumerate(block.columns):
        if index == 0:
            table.add_column(column, max_width=first_width, overflow="fold")
        else:
            table.add_column(column.replace(" ", "\n"), justify="right", overflow="fold")
    for row in block.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def markdown_block(block: Block) -> str:
    """The table as Markdown."""
    lines = [block.columns, ["---"] + ["---:"] * (len(block.columns) - 1), *block.rows]
    table = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    return f"**{block.title}**\n\n{table}"


def print_blocks(blocks: Sequence[Block], console: Console) -> None:
    """Show tables: drawn on a terminal, Markdown in a pipe or file."""
    if console.is_terminal:
        for block in blocks:
            console.print(draw(block, first_width=_FIRST_WIDTH), width=min(console.width, _WIDTH))
    else:
        print("\n\n".join(map(markdown_block, blocks)), file=console.file)
