"""What each method made of each sample, kept as JSON lines beside the scores that were computed from it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from vidtldr.errors import UserError
from vidtldr.results.bootstrap import Contributions
from vidtldr.storage.atomic_files import write_atomically
from vidtldr.storage.json_values import plain

Sample = dict[str, Any]
"""One sample by one method: its id, ranks or scores, prediction."""

_METHOD = "method"


def write_samples(path: str | Path, rows_by_method: Mapping[str, Sequence[Sample]]) -> None:
    """Write one JSON object a line, ``method`` first, the methods one after the other; a reader never sees half a file.

    Args:
        path: File to write; its folder exists.
        rows_by_method: Samples of each method. Tensors and arrays become lists, numbers that are not finite null.

    Raises:
        UserError: The file cannot be written; the former one is as it was.
        ValueError: A row has a key ``method`` of its own.
    """
    lines = [_line(method, row) for method, rows in rows_by_method.items() for row in rows]
    write_atomically(path, "".join(lines))


def read_samples(path: str | Path) -> Iterator[Sample]:
    """Yield the samples of a file in its order, each with its ``method``.

    Raises:
        UserError: The file cannot be read, or a line is not a sample; names file and line.
    """
    try:
        with open(path, "rb") as file:  # as bytes: only "\n" ends a line, and bad UTF-8 is told with its line
            for number, line in enumerate(file, start=1):
                yield _sample(line, f"{path}, line {number}")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def number_of(sample: Sample, key: str) -> int:
    """A whole number that a sample must hold.

    Raises:
        UserError: It does not.
    """
    if not isinstance(number := sample.get(key), int):
        raise UserError(f"the sample {str(sample)[:60]} has no number {key!r}; was samples.jsonl edited?")
    return number


def contributions_of(
    samples: Sequence[Sample], hits: Callable[[Sample], Mapping[int, float]], *, parts: int, combine: str = "mean"
) -> Contributions:
    """Count samples by their ``video``.

    Args:
        samples: Samples of one method.
        hits: From a sample to the parts of the score that it counts in, and whether it is right there.
        parts: Parts of the score.
        combine: How parts make a score, as :class:`~vidtldr.results.bootstrap.Contributions` has it.

    Raises:
        UserError: A sample lacks what it is counted by, or holds something else there.
    """
    rows: dict[str, int] = {}
    right, counted = np.zeros((len(samples), parts)), np.zeros((len(samples), parts))
    for sample in samples:
        try:
            row, found = rows.setdefault(str(sample["video"]), len(rows)), hits(sample)
            for part, hit in found.items():
                right[row, part] += hit
                counted[row, part] += 1
        except (KeyError, IndexError, TypeError, ValueError) as error:
            told = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise UserError(f"cannot count the sample {str(sample)[:60]}: {told}; was samples.jsonl edited?") from error
    right, counted = right[: len(rows)], counted[: len(rows)]
    return Contributions(tuple(rows), right, counted, combine)


def _line(method: str, row: Sample) -> str:
    if _METHOD in row:
        raise ValueError(f"a sample of {method} has a key {_METHOD!r} of its own: {row}")
    return json.dumps({_METHOD: method, **plain(row)}, ensure_ascii=False, allow_nan=False) + "\n"


def _sample(line: bytes, place: str) -> Sample:
    try:
        row = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: is not JSON ({error}); was the file cut short or edited?") from error
    if not isinstance(row, dict) or not isinstance(row.get(_METHOD), str):
        raise UserError(f"{place}: expected an object with the key {_METHOD!r}, found {str(row)[:60]}")
    return row


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")
