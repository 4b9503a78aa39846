"""What a task says about its scores, for whoever shows them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreTable:
    """One table of scores.

    Attributes:
        columns: Heading of each metric by its key, in the order of the table.
        compared: Key of the metric whose difference to base is shown.
        title: What sets this table apart, such as ``re-ranked``; may be empty.
        group: Heading of these metrics in TensorBoard.
        prefix: What the keys of the metrics that belong here begin with.
    """

    columns: Mapping[str, str]
    compared: str
    group: str
    title: str = ""
    prefix: str = ""

    @property
    def compared_heading(self) -> str:
        """The heading under which the compared metric stands."""
        return self.columns.get(self.compared, self.compared)


def group_of(key: str, tables: tuple[ScoreTable, ...]) -> str:
    """The TensorBoard heading of a metric: that of the table with the longest prefix that fits."""
    fitting = [table for table in tables if key.startswith(table.prefix)]
    return max(fitting, key=lambda table: len(table.prefix)).group if fitting else "scores"
