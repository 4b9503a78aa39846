"""``results.json`` read back: of this version, and of the two before it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidtldr.errors import UserError
from vidtldr.results.differences import Difference
from vidtldr.results.records import SCHEMA_VERSION, MethodResult, RunRecord
from vidtldr.results.score_tables import ScoreTable

OLDEST_READABLE = 3
_UNTOLD = "not told by this version"


def read_results(path: str | Path) -> RunRecord:
    """The record of a run.

    Args:
        path: A ``results.json``, or the folder that holds it.

    Raises:
        UserError: The file cannot be read, or is of a version that this one does not know.
    """
    path = Path(path)
    path = path / "results.json" if path.is_dir() else path
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["schema_version"]
        if not OLDEST_READABLE <= version <= SCHEMA_VERSION:
            raise UserError(
                f"{path} has schema version {version}; versions {OLDEST_READABLE} to {SCHEMA_VERSION} are read here"
            )
        return _record(path.parent, content)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no results file of this project: {type(error).__name__} {error}") from error


def _record(folder: Path, content: Mapping[str, Any]) -> RunRecord:
    checkpoint = content["checkpoint"] or {"path": None, "sha256": None}
    methods = content["methods"]
    baselines, differences = _differences(content)
    return RunRecord(
        config_name=content["config_name"],
        config=content["config"],
        device=content["device"],
        precision=content["precision"],
        precision_asked=content["precision_asked"],
        checkpoint=checkpoint["path"],
        checkpoint_sha256=checkpoint["sha256"],
        started=content["started"],
        run_dir=folder,
        score_tables=_score_tables(content),
        score_note=content.get("score_note", _UNTOLD),
        decoder=content.get("decoder", _UNTOLD),
        resizing=content.get("resizing", _UNTOLD),
        baselines=baselines,
        results=[MethodResult.from_dict(name, each) for name, each in methods.items()],
        differences=differences,
        finished=content["finished"],
        versions=content["versions"],
    )


def _differences(content: Mapping[str, Any]) -> tuple[list[str], list[Difference]]:
    """Baselines, and the differences to them; before schema 5 there was base alone, whose stood with each method."""
    if "differences" in content:
        return content["baselines"], [Difference(**each) for each in content["differences"]]
    methods = content["methods"]
    base = next((name for name, each in methods.items() if each["rule"] == "base"), None)
    told = [(name, each["difference_to_base"]) for name, each in methods.items() if "difference_to_base" in each]
    if base is None:
        return [], []
    ends = ("difference", "low", "high")
    return [base], [Difference(name, base, **{end: each[end] for end in ends}) for name, each in told]


def _score_tables(content: Mapping[str, Any]) -> tuple[ScoreTable, ...]:
    """The tables that the file tells, or one of all scores under their own names."""
    if "score_tables" in content:
        return tuple(ScoreTable(**table) for table in content["score_tables"])
    methods = content["methods"]
    names = list(dict.fromkeys(name for each in methods.values() for name in each["metrics"]))
    told = (each["difference_to_base"]["score"] for each in methods.values() if "difference_to_base" in each)
    compared = next(told, names[0] if names else "")
    return (ScoreTable({name: name for name in names}, compared, "scores", "scores"),)
