"""Files that number the classes of a dataset."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from .text_files import is_text, read_json, read_utf8, shown, split_lines

CLASS_INDEX = "classInd.txt"
"""UCF101's numbering: lines ``<number from 1> <class>``."""

TEMPLATE_LABELS = ("labels.json", "something-something-v2-labels.json")
"""SSv2's numbering, an object ``{"<class>": "<number from 0>"}``, under its present and its former name."""


def find_class_file(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    """The first of these files that lies in one of these folders."""
    return next((path for folder in folders for name in names if (path := folder / name).is_file()), None)


def read_class_index(path: Path) -> list[str]:
    """Class names in the order of ``classInd.txt``.

    Raises:
        ValueError: The lines are not numbered 1, 2, 3, ...
    """
    names: list[str] = []
    for place, line in enumerate(split_lines(read_utf8(path)), start=1):
        if not line.strip():
            continue
        number, _, name = line.strip().partition(" ")
        if number != str(len(names) + 1) or not name.strip():
            raise ValueError(f"{path}, line {place}: expected '{len(names) + 1} <class>', found {shown(line)}")
        names.append(name.strip())
    return names


def read_template_labels(path: Path) -> list[str]:
    """Class names in the order of SSv2's ``labels.json``.

    Raises:
        ValueError: The classes are not numbered 0, 1, 2, ..., each number once.
    """
    labels = read_json(path)
    if not isinstance(labels, dict):
        raise ValueError(f"{path}: expected an object of class -> number, found a {type(labels).__name__}")
    unreadable = next((name for name in labels if not is_text(name)), None)
    if unreadable is not None:
        raise ValueError(f"{path}: class {shown(unreadable)} is no text: it holds half of a character")
    by_number = {str(number): name for name, number in labels.items()}
    numbers = [str(number) for number in range(len(labels))]
    if set(by_number) != set(numbers):
        raise ValueError(f"{path}: its {len(labels)} classes must have the numbers 0 to {len(labels) - 1}, each once")
    return [by_number[number] for number in numbers]


def read_label_csv(path: Path) -> list[str]:
    """Class names of a list with the header ``id,name``, one class a row, in the order of their ids.

    Raises:
        ValueError: There is no such header, or a row's id is not its position.
    """
    rows = csv.reader(io.StringIO(read_utf8(path), newline=""))
    names: list[str] = []
    try:
        header = next(rows, [])
        if [column.strip().lower() for column in header] != ["id", "name"]:
            raise ValueError(f"{path}: expected the header id,name, found {shown(','.join(header))}")
        for row in rows:
            if not any(row):
                continue
            if len(row) != 2 or row[0].strip() != str(len(names)) or not row[1]:
                raise ValueError(
                    f"{path}, line {rows.line_num}: expected '{len(names)},<class>', found {shown(','.join(row))}"
                )
            names.append(row[1])
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.line_num}: {error}") from error
    return names
