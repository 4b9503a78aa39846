"""A page from runs: one HTML file, with pictures beside it."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vidtldr.drawing.charts import colours
from vidtldr.errors import UserError
from vidtldr.page.compared import Compared
from vidtldr.page.flips import Case, Flips, cases_of, compare_all
from vidtldr.page.intervals import Intervals
from vidtldr.page.panels import Panel, figure_1, panels_of_run, trade_offs
from vidtldr.page.runs import Pictures, Run
from vidtldr.results.report import blocks, facts
from vidtldr.results.text_tables import Block
from vidtldr.storage.atomic_files import write_atomically


@dataclass(frozen=True)
class Section:
    """One run on the page.

    Attributes:
        anchor: Its place in the page.
        run: The run.
        tables: As the report has them.
        panels: Its charts.
        flips: Every method against every other one, by the two.
        first_pair: The two that are shown first.
        pictures: By video and method, addresses of a ``png`` and an ``mp4``.
        cases: Those that not all methods get right or wrong, as the script reads them.
        facts: What a reader must know to judge the numbers.
    """

    anchor: str
    run: Run
    tables: Sequence[Block]
    panels: Sequence[Panel]
    flips: Mapping[tuple[str, str], Sequence[Flips]]
    first_pair: tuple[str, str]
    pictures: Pictures
    cases: Mapping[str, object]
    facts: Sequence[tuple[str, str]]


def write_page(runs: Sequence[Run], out: Path, *, baseline: str | None = None) -> Path:
    """Write ``index.html`` and the pictures that it shows; what else is in the folder stays.

    Args:
        runs: What to show.
        out: Folder of the page; made if it is missing.
        baseline: The method that others are compared with; None is the unreduced one of each run.

    Returns:
        The HTML file.

    Raises:
        UserError: A run has no such baseline, or the folder cannot be written.
    """
    compared = [Compared(run, Intervals(run), run.baseline(baseline)) for run in runs]
    palette = colours(name for run in runs for name in (*run.entries.values(), *run.methods))
    try:
        out.mkdir(parents=True, exist_ok=True)
        sections = [_section(each, f"run-{number}", palette, out) for number, each in enumerate(compared, start=1)]
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror or error}; give another --out") from error
    page = out / "index.html"
    write_atomically(page, _html(sections, _overview(compared, palette), palette))
    return page


def _overview(runs: Sequence[Compared], palette: Mapping[str, str]) -> list[Panel]:
    """The charts of all runs together, if there are several."""
    if len(runs) < 2:
        return []
    several_sets = len({each.data for each in runs}) > 1
    return [*([figure_1(runs, palette)] if several_sets else []), *trade_offs(runs, palette)]


def _section(compared: Compared, anchor: str, palette: Mapping[str, str], out: Path) -> Section:
    run = compared.run
    cases = cases_of(run.samples)
    pairs = groupby(compare_all(cases), key=lambda flips: (flips.method, flips.against))
    against = compared.baseline or run.methods[0]
    others = [name for name in run.methods if name != against]
    pictures = _copy_pictures(run, out / "pictures" / anchor, f"pictures/{anchor}")
    return Section(
        anchor=anchor,
        run=run,
        tables=blocks(compared.record),
        panels=panels_of_run(compared, palette),
        flips={pair: list(flips) for pair, flips in pairs},
        first_pair=(others[-1] if others else against, against),
        pictures=pictures,
        cases=_for_script(cases, pictures),
        facts=facts(compared.record),
    )


def _copy_pictures(run: Run, folder: Path, address: str) -> Pictures:
    """Copy the pictures of a run; returns them as the run lists them, with addresses for the page."""
    shown: dict[str, dict[str, dict[str, str]]] = {}
    for video, methods in run.pictures.items():
        for method, files in methods.items():
            for kind, name in files.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(run.pictures_folder / name, target)
                shown.setdefault(video, {}).setdefault(method, {})[kind] = quote(f"{address}/{name}")
    return shown


def _for_script(cases: Sequence[Case], pictures: Pictures) -> dict[str, object]:
    """The cases in which methods differ, in short: outcomes are in the order of the methods."""
    methods = list(cases[0].outcomes) if cases else []
    differing = [case for case in cases if len({outcome.correct for outcome in case.outcomes.values()}) > 1]
    return {
        "methods": methods,
        "cases": [
            {
                "kind": case.kind,
                "question": case.question,
                "video": case.video,
                "truth": case.truth,
                "said": [outcome.said for outcome in case.outcomes.values()],
                "correct": [outcome.correct for outcome in case.outcomes.values()],
            }
            for case in differing
        ],
        "pictures": {video: files for video, files in pictures.items() if any(case.video == video for case in cases)},
    }


def _html(sections: Sequence[Section], overview: Sequence[Panel], palette: Mapping[str, str]) -> str:
    environment = Environment(
        loader=PackageLoader("vidtldr.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["svg"] = Markup
    environment.filters["p"] = _p
    return environment.get_template("page.html").render(sections=sections, overview=overview, palette=palette)


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
