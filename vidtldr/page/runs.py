"""Runs as a page reads them: the record, what came out for each sample, and pictures."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vidtldr.errors import UserError
from vidtldr.results.reader import read_results
from vidtldr.results.records import MethodResult, RunRecord
from vidtldr.results.samples import Sample, read_samples

Pictures = Mapping[str, Mapping[str, Mapping[str, str]]]
"""By video, method and kind (``png``, ``mp4``): a file below the folder of pictures."""

_CONFIG = "config.yaml"  # there from the start of a run on
_MOST_LISTED = 8


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        label: Names it on the page; no two runs of a page have the same.
        record: Its results and their cause.
        samples: What came out for each sample, by method; empty where the run left no samples.
        pictures: Of some videos.
    """

    label: str
    record: RunRecord
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    pictures: Pictures = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the run left its files."""
        return self.record.run_dir

    @property
    def pictures_folder(self) -> Path:
        """Where its pictures are."""
        return self.folder / "pictures"

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in the order of the table."""
        return [result.name for result in self.record.results]

    @property
    def entries(self) -> dict[str, str]:
        """The entry of the config that each method comes from, by its name.

        ``--sweep`` makes ``tome-r10`` and ``tome-r20`` of ``tome``; a method that was not swept is its own entry.
        """
        before = {result.name: (type(result.method), result.name.partition("-")[0]) for result in self.record.results}
        several = Counter(key for name, key in before.items() if "-" in name)
        return {name: key[1] if "-" in name and several[key] > 1 else name for name, key in before.items()}

    @property
    def num_frames(self) -> int | None:
        """Frames of a clip, as the config says; None where it does not."""
        told = ((self.record.config.get("model") or {}).get("init_args") or {}).get("num_frames")
        return told if isinstance(told, int) else None

    def result(self, method: str) -> MethodResult:
        """What came out for a method."""
        return next(result for result in self.record.results if result.name == method)

    def score(self, method: str) -> float:
        """The score that methods are compared by, in percent."""
        return self.result(method).metrics[self.record.score_tables[0].compared]

    def baseline(self, wanted: str | None = None) -> str | None:
        """The method that others are compared with: the wanted one, else the unreduced model if it was evaluated.

        Raises:
            UserError: The wanted one was not evaluated.
        """
        if wanted is None:
            return next((result.name for result in self.record.results if result.method.name == "base"), None)
        if wanted not in self.methods:
            raise UserError(f"--baseline: {self.folder} has no method '{wanted}'; it has {', '.join(self.methods)}")
        return wanted


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Read runs; one that is named twice is read once.

    Args:
        paths: Folders of runs, or folders of such folders, which stand for the newest finished run in them.

    Raises:
        UserError: A folder holds no run, an unfinished one, or one that cannot be read.
    """
    folders = dict.fromkeys(_run_folder(path).resolve() for path in paths)
    records = [_finished_record(folder) for folder in folders]
    names = [record.config_name for record in records]
    labels = [
        name if names.count(name) == 1 else f"{name} {record.run_dir.name}" for name, record in zip(names, records)
    ]
    return [
        _run(_distinct(label, labels[:number]), record) for number, (label, record) in enumerate(zip(labels, records))
    ]


def _run_folder(path: Path) -> Path:
    if path.name == "results.json":
        path = path.parent
    if (path / "results.json").exists():
        return path
    runs = sorted(file.parent for file in path.glob("*/results.json"))
    if not runs or (path / _CONFIG).exists():
        raise UserError(f"{path} holds no results.json: {_instead(path, runs)}")
    finished = [run for run in runs if read_results(run).finished]
    return (finished or runs)[-1]  # their names are dates


def _instead(path: Path, below: Sequence[Path]) -> str:
    """What to do about a folder without results."""
    runs = below or sorted(file.parent for file in path.glob("*/*/results.json"))
    if runs:
        more = f" and {len(runs) - _MOST_LISTED} more" if len(runs) > _MOST_LISTED else ""
        return f"give a run below it, {', '.join(map(str, runs[-_MOST_LISTED:]))}{more}"
    if (path / _CONFIG).exists():
        return "this run has not finished a method yet"
    if begun := sorted(path.glob(f"*/{_CONFIG}")):
        return f"the run {begun[-1].parent} has not finished a method yet"
    return "give the folder of a run, such as outputs/demo/DATE_TIME"


def _finished_record(folder: Path) -> RunRecord:
    record = read_results(folder)
    if not record.finished or not record.results:
        raise UserError(f"{folder} is unfinished: the same eval.py command again resumes it")
    return record


def _distinct(label: str, taken: Sequence[str]) -> str:
    return label if label not in taken else f"{label} ({1 + taken.count(label)})"


def _run(label: str, record: RunRecord) -> Run:
    samples: dict[str, list[Sample]] = {}
    if record.samples_path.exists():
        for sample in read_samples(record.samples_path):
            samples.setdefault(sample["method"], []).append(sample)
    return Run(label, record, samples, _pictures(record.run_dir / "pictures" / "index.json"))


def _pictures(index: Path) -> Pictures:
    """The pictures that an index lists and that are there.

    Raises:
        UserError: It is no index.
    """
    if not index.exists():
        return {}
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
        return {
            str(entry["video"]): {
                str(method): {str(kind): str(name) for kind, name in files.items() if _is_inside(index.parent, name)}
                for method, files in entry["methods"].items()
            }
            for entry in entries
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index} is no list of pictures: {type(error).__name__} {error}") from error


def _is_inside(folder: Path, name: str) -> bool:
    """Whether a file is there, and not outside the folder."""
    path = (folder / name).resolve()
    return path.is_relative_to(folder.resolve()) and path.is_file()
