"""Files that number the classes of a dataset."""

import csv
import io
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from datamodules.annotations.text_files import is_text, read_json, read_utf8, shown, split_lines

logger = logging.getLogger(__name__)

CLASS_INDEX = "classInd.txt"
"""UCF101's numbering: lines ``<number from 1> <class>``."""

TEMPLATE_LABELS = ("labels.json", "something-something-v2-labels.json")
"""SSv2's numbering, an object ``{"<class>": "<number from 0>"}``, under its present and its former name."""

_NUMBERED_CLASS = re.compile(r"(?P<number>[0-9]+)(?P<separator>\s*,\s*|\s+)(?P<name>.+)")


def find_class_file(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    """The first of these files that lies in one of these folders."""
    return next((path for folder in folders for name in names if (path := folder / name).is_file()), None)


def folded(name: str) -> str:
    """A class name as it is compared: HandStandPushups is HandstandPushups, and brush_hair is "brush hair"."""
    return name.lower().replace("_", " ")


def labels_by_name(class_names: Iterable[str]) -> dict[str, int]:
    """From each name, :func:`folded`, to its number."""
    return {folded(name): label for label, name in enumerate(class_names)}


def find_class_names(folders: Sequence[Path], names: Sequence[str]) -> tuple[Path, list[str]] | None:
    """The first of these files in one of these folders, and the class names in it, in the order of their numbers.

    Args:
        folders: Where the files are looked for.
        names: ``classInd.txt``, tables with the suffix ``.csv`` and the header ``id,name``, or lists of a name a line.

    Raises:
        ValueError: The file is of another form than its name promises.
    """
    path = find_class_file(folders, names)
    if path is None:
        return None
    if path.name == CLASS_INDEX:
        return path, read_class_index(path)
    return path, read_label_csv(path) if path.suffix == ".csv" else read_label_map(path)


def read_label_map(path: Path) -> list[str]:
    """Class names of a list of one name a line, as Kinetics' and MMAction's label maps are; quotes around them go.

    Raises:
        ValueError: There is no name, one stands there twice, or a quote is not closed.
    """
    names = [_unquoted(line.strip()) for line in split_lines(read_utf8(path)) if line.strip()]
    if not all(names):
        raise ValueError(f"{path}, class {names.index('') + 1}: expected the name of a class, found an open quote")
    if not names or len(set(map(folded, names))) < len(names):
        found = "a name twice" if names else "none"
        raise ValueError(f"{path}: expected the name of a class a line, each once, found {found}")
    return names


def read_class_index(path: Path) -> list[str]:
    """Class names in the order of ``classInd.txt``; tabs or commas may stand for the official blank.

    Raises:
        ValueError: The lines are not numbered 1, 2, 3, ...
    """
    names: list[str] = []
    separators = ""
    for place, line in enumerate(split_lines(read_utf8(path)), start=1):
        if not line.strip():
            continue
        match = _NUMBERED_CLASS.fullmatch(line.strip())
        name = _unquoted(match["name"]) if match else ""
        if not match or match["number"] != str(len(names) + 1) or not name:
            raise ValueError(f"{path}, line {place}: expected '{len(names) + 1} <class>', found {shown(line)}")
        names.append(name)
        separators += match["separator"]
    unofficial = [name for separator, name in (("\t", "tabs"), (",", "commas")) if separator in separators]
    if unofficial:
        logger.info("%s: read with %s between number and name", path, " and ".join(unofficial))
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


def _unquoted(name: str) -> str:
    """A name without the quotes of CSV; empty if they are not closed."""
    if not name.startswith('"'):
        return name
    try:
        (unquoted,) = next(csv.reader([name], strict=True))
    except (csv.Error, ValueError):
        return ""
    return unquoted.strip()
