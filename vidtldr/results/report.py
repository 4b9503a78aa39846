"""The table of a run, in the paper's form: for a terminal, and as Markdown for TensorBoard and pipes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vidtldr.results.beside_paper import paper_block, paper_fact
from vidtldr.results.bootstrap import DRAWS, LEVEL
from vidtldr.results.differences import pairs, signed
from vidtldr.results.gflops import gflops_digits, gflops_share
from vidtldr.results.records import MethodResult, RunRecord
from vidtldr.results.score_tables import ScoreTable
from vidtldr.results.text_tables import Block, draw, markdown_block

WIDTH = 120  # columns that the table fits into
_WIDE = 110  # with fewer, numbers would be broken over two lines
_DIFFERENCE = 22  # columns that the difference to one more baseline takes: -15.4 [-20.4, -10.8]
_FIRST_NAMES = 5
_NONE = "-"
_SLOW_INPUT = 0.5  # share of the time spent waiting for clips from which on decoding is called the bottleneck


def print_report(record: RunRecord, console: Console) -> None:
    """Show the report: drawn tables on a terminal, Markdown in a pipe or file."""
    if console.is_terminal:
        wide = _WIDE + _DIFFERENCE * max(0, len(record.baselines) - 1)
        console.print(render(record, narrow=console.width < wide), width=min(console.width, WIDTH))
    else:
        print(markdown(record), file=console.file)


def render(record: RunRecord, *, narrow: bool = False) -> RenderableType:
    """The report as tables for a terminal of up to :data:`WIDTH` columns; ``narrow`` is for 80 of them."""
    notes = Table.grid(padding=(0, 2))
    notes.add_column(style="bold")
    notes.add_column(overflow="fold")
    for name, text in facts(record):
        notes.add_row(name, Text(text))
    return Group(*(draw(block) for block in blocks(record, narrow=narrow)), Text(), notes)


def markdown(record: RunRecord) -> str:
    """The report as Markdown."""
    parts = [markdown_block(block) for block in blocks(record)]
    parts.append("\n".join(f"- **{name}**: {text}" for name, text in facts(record)))
    return "\n\n".join(parts)


def blocks(record: RunRecord, *, narrow: bool = False) -> list[Block]:
    """The headline table with cost and speed, then the task's other tables if their scores are there.

    Args:
        record: The run.
        narrow: Give speed and memory a table of their own, and the differences to several baselines another.
    """
    results, base = record.results, _base(record.results)
    shown = [name for name in record.baselines if any(result.name == name for result in results)]
    whole = all(result.evaluated.complete for result in results)
    tables: list[Block] = []
    for scores in record.score_tables:
        if not all(key in result.metrics for result in results for key in scores.columns):
            continue
        headline = not tables
        columns = _methods(results)
        if headline:
            columns["GFLOPs"] = [_gflops(result, base) for result in results]
        for key, heading in scores.columns.items():
            columns[heading] = [f"{result.metrics[key]:.1f}" for result in results]
        columns |= _differences(record, scores, shown[:1] if narrow else shown, intervals=headline)
        if not whole:
            columns["videos"] = [str(result.evaluated) for result in results]
        if headline and not narrow:
            columns |= _speed_columns(results)
        tables.append(_block(f"{record.config_name}: {scores.title}" if headline else scores.title, columns))
    if narrow and shown[1:]:
        scores = record.score_tables[0]
        told = _differences(record, scores, shown, intervals=True)
        tables.append(_block(f"differences in {scores.compared_heading}", _methods(results) | told))
    if narrow:
        tables.append(_block("speed", _methods(results) | _speed_columns(results)))
    if beside := paper_block(record):
        tables.append(beside)
    return tables


def facts(record: RunRecord) -> list[tuple[str, str]]:
    """What a reader must know to judge the numbers, as pairs of a word and a sentence."""
    lines = [("evaluated", _evaluated(record))]
    for kind in ("missing", "broken"):
        names = list(dict.fromkeys(name for result in record.results for name in getattr(result.evaluated, kind)))
        if names:
            lines.append((kind, f"{len(names)} left out: {_first(names)}"))
    return [
        *lines,
        ("scores", record.score_note),
        *_uncertainty(record),
        *paper_fact(record),
        ("protocol", _protocol(record)),
        ("frames", _frames(record)),
        ("computed", _computed(record)),
        ("clips/s", _timing(record)),
        ("input", _input(record)),
        ("memory", "peak of " + "; ".join(dict.fromkeys(result.speed.peak_memory_of for result in record.results))),
        ("checkpoint", _checkpoint(record)),
        ("versions", ", ".join(f"{name} {version or 'missing'}" for name, version in record.versions.items())),
        ("results", f"{record.results_path}, for each sample {record.samples_path.name}"),
        *_pictures(record),
        ("tensorboard", f"tensorboard --logdir {record.tensorboard_dir}"),
        ("page", f"python -m vidtldr.page {record.run_dir}"),
    ]


def describe_options(options: dict[str, Any]) -> str:
    """Options as ``r=500,200,100,100``."""
    return " ".join(f"{key}={_value(value)}" for key, value in options.items())


def _block(title: str, columns: dict[str, list[str]]) -> Block:
    return Block(title, list(columns), [list(row) for row in zip(*columns.values())])


def _methods(results: Iterable[MethodResult]) -> dict[str, list[str]]:
    return {"method": [_label(result) for result in results]}


def _label(result: MethodResult) -> str:
    changed = result.method.changed_options()
    given = {key: value for key, value in result.options.items() if key == "r" or key in changed} | changed
    name = result.name if result.name == result.method.name else f"{result.name} [{result.method.name}]"
    return f"{name} {describe_options(given)}".strip()


def _base(results: Sequence[MethodResult]) -> MethodResult | None:
    return next((result for result in results if result.method.name == "base"), None)


def _gflops(result: MethodResult, base: MethodResult | None) -> str:
    share = f" {gflops_share(result.gflops, of=base.gflops)}" if base and base is not result else ""
    return f"{gflops_digits(result.gflops)}{share}"


def _differences(
    record: RunRecord, scores: ScoreTable, baselines: Sequence[str], *, intervals: bool
) -> dict[str, list[str]]:
    """A column for each baseline."""
    by_name = {result.name: result.metrics[scores.compared] for result in record.results}
    wanted = pairs(by_name, record.baselines)

    def cell(name: str, baseline: str) -> str:
        if (name, baseline) not in wanted:
            return _NONE
        difference = signed(by_name[name] - by_name[baseline])
        found = record.difference(name, baseline) if intervals else None
        return f"{difference} {found.told_interval}" if found else difference

    return {f"Δ {baseline}": [cell(name, baseline) for name in by_name] for baseline in baselines}


def _speed_columns(results: Iterable[MethodResult]) -> dict[str, list[str]]:
    results = list(results)
    columns = {"encoder clips/s": [_rate(result.speed.encoder_clips_per_second) for result in results]}
    if not _kept(results):  # else only the first method decodes, and this would not compare
        columns["end-to-end clips/s"] = [_rate(result.speed.end_to_end_clips_per_second) for result in results]
    return columns | {"peak memory": [_bytes(result.speed.peak_memory_bytes) for result in results]}


def _kept(results: Iterable[MethodResult]) -> bool:
    return any(result.speed.kept_videos for result in results)


def _rate(per_second: float | None) -> str:
    if per_second is None:
        return _NONE
    return f"{per_second:.1f}" if per_second < 100 else f"{per_second:.0f}"


def _bytes(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):  # a method of a chain, with its options
        name, *options = value.items()
        return f"{name[1]}({describe_options(dict(options))})"
    return ",".join(map(_value, value)) if isinstance(value, (list, tuple)) else str(value)


def _evaluated(record: RunRecord) -> str:
    said = []
    for result in record.results:
        counts = "".join(f", {number:,} {name}" for name, number in result.evaluated.counts.items())
        said.append(f"{result.evaluated} videos{counts}")
    return " / ".join(dict.fromkeys(said))


def _uncertainty(record: RunRecord) -> list[tuple[str, str]]:
    names = list(dict.fromkeys(each.baseline for each in record.differences))
    if not names:
        return []
    told = f"difference in {record.score_tables[0].compared_heading} to {' or '.join(names)}"
    told += f" [{100 * LEVEL:.0f} % confidence interval]: paired bootstrap over videos, {DRAWS:,} draws"
    return [(", ".join(f"Δ {name}" for name in names), told)]


def _pictures(record: RunRecord) -> list[tuple[str, str]]:
    if not any(result.frame_shares for result in record.results):
        return []
    return [("pictures", f"{record.pictures_dir}, of the videos that the methods differ most in")]


def _first(names: list[str]) -> str:
    return ", ".join(names[:_FIRST_NAMES]) + (", …" if len(names) > _FIRST_NAMES else "")


def _protocol(record: RunRecord) -> str:
    known = (
        ("model", "num_frames", "{} frames"),
        ("model", "image_size", "{0}x{0} px"),
        ("model", "k_test", "best {} re-ranked (k_test)"),
        ("model", "max_text_length", "texts up to {} tokens"),
        ("model", "max_question_length", "questions up to {} tokens"),
        ("data", "num_segments", "{} temporal segments"),
        ("data", "num_crops", "{} spatial crops"),
        ("data", "stride", "stride {}"),
    )
    values = [(record.setting(part, key), words) for part, key, words in known]
    return ", ".join([*(words.format(value) for value, words in values if value is not None), record.resizing])


def _frames(record: RunRecord) -> str:
    if record.decoder.startswith("decord"):
        return f"decoded by {record.decoder}, which gives other frames than asked for from some containers"
    return f"decoded by {record.decoder}"


def _computed(record: RunRecord) -> str:
    precision = f"precision {record.precision}"
    if record.precision != record.precision_asked:
        precision += f" ({record.precision_asked} was asked for, which this device does not have)"
    return f"{record.device}, {precision}, batch size {record.setting('data', 'batch_size')}"


def _timing(record: RunRecord) -> str:
    told = ["encoder = test step, without decoding"]
    if _kept(record.results):
        told.append("the first method ran beside decoding, which costs it on a CPU: `python -m vidtldr.bench` compares")
    else:
        told.append("end-to-end = by the clock, with decoding")
    clips = ", ".join(dict.fromkeys(str(result.speed.clips_measured) for result in record.results))
    told.append(f"{clips} clips measured, after a first batch as warm-up where there are more")
    return "; ".join(told)


def _input(record: RunRecord) -> str:
    """How long each method waited for clips, and what that means."""
    waits = ", ".join(
        f"{result.name} {result.speed.input_seconds:.1f} of {result.speed.seconds:.1f} s" for result in record.results
    )
    told = [f"waited for clips: {waits}", f"{record.setting('data', 'num_workers')} workers"]
    if kept := max((result.speed.kept_videos for result in record.results), default=0):
        told.append(f"each clip decoded once, {kept:,} videos kept for the later methods")
    slow = [result.name for result in record.results if result.speed.input_seconds > _SLOW_INPUT * result.speed.seconds]
    if slow:
        told.append(f"decoding is the bottleneck of {', '.join(slow)}: try more --data.num_workers")
    return "; ".join(told)


def _checkpoint(record: RunRecord) -> str:
    if record.checkpoint is None:
        return "none: the weights are random, and so are the scores"
    files, hashes = _as_list(record.checkpoint), _as_list(record.checkpoint_sha256 or _NONE)
    return ", ".join(f"{file} (sha256 {digest[:12]})" for file, digest in zip(files, hashes))


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
