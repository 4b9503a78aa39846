"""A search on data: candidates within a budget, evaluated by the engine of ``eval.py`` rung by rung."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from datamodules.loading.sharding import Sharing
from vidtldr.cli.evaluate import EvalCLI, in_sentences
from vidtldr.errors import UserError
from vidtldr.evaluation.comparison import Comparison
from vidtldr.evaluation.methods import build_methods, check_methods_fit
from vidtldr.evaluation.one_method import Subject
from vidtldr.evaluation.processes import Processes
from vidtldr.evaluation.run_folder import Run
from vidtldr.measuring.flops_analytic import Tower
from vidtldr.merging import Base, Method
from vidtldr.merging.registry import reference
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.differences import choose_baselines
from vidtldr.search.halving import check_rungs, climb
from vidtldr.search.latency import BASE, stopwatch
from vidtldr.search.outcome import Outcome, print_outcome, print_rung, write_outcome
from vidtldr.search.tried import Choice, by_gflops, by_latency, kept, methods_of
from vidtldr.storage.json_values import plain

_FOLDER = "search"
_CHOSEN = "candidates.json"
_OTHERS_DECIDE = ("--only", "--baseline", "--pictures", "--sweep")
"""Options of ``eval.py`` that say what a run compares, which is a search's own to say."""


@dataclass(frozen=True)
class Search:
    """What a search is told beside what ``eval.py`` understands.

    Attributes:
        choice: How candidates are chosen. Its method is made of ``entry`` and ``options`` when the config is read.
        options: Of the method, beside those in the config.
        rungs: See :func:`~vidtldr.search.halving.check_rungs`.
        in_milliseconds: Whether budgets are times, not GFLOPs.
    """

    choice: Choice
    options: Mapping[str, Any]
    rungs: tuple[int, ...]
    in_milliseconds: bool


def run(search: Search, argv: Sequence[str]) -> None:
    """Search with the model and the data that these arguments of ``eval.py`` name.

    Candidates are compared on the validation split where the config names one (``data.val_annotation``): what is chosen
    by the scores of a test, the test flatters. Without one the test split is used, and the report says so.

    Raises:
        UserError: Something that the user can mend.
    """
    check_rungs(search.rungs)
    if given := [word for word in argv if word.split("=")[0] in _OTHERS_DECIDE]:
        raise UserError(f"{given[0].split('=')[0]} is of eval.py: a search says itself what it compares")
    cli = EvalCLI(argv)
    choice = replace(search.choice, method=_method(cli, search))
    cli.check_trainer()
    if "share" not in cli.init_args("data"):
        raise UserError(f"a search needs data with an option `share`, which {cli.config.data.class_path} lacks")
    split = "validate" if cli.init_args("data").get("val_annotation") else "test"
    data: Any = cli.build_data(split)
    task: Any = cli.build_model()
    check_methods_fit(task, {BASE: Base()})
    _check_validation(task, data, split)
    tower = Tower.of(task.vision_encoder, num_images=len(task.example_clip()))
    groups = [] if search.in_milliseconds else by_gflops(choice, tower)
    trainer = cli.make_trainer(False, [])
    with in_sentences(cli), Processes(trainer) as processes:
        folder = cli.open_run(task, data, processes, within=_FOLDER, search=search, method=choice.method)
        if search.in_milliseconds and processes.is_first:
            measure = stopwatch(task, trainer, cli.init_args("data").get("batch_size", 1))
            groups = kept(folder.work / _CHOSEN, lambda: by_latency(choice, tower, measure))
        groups = processes.agree(groups)
        check_methods_fit(task, methods_of(choice, groups))
        rungs = _Rungs(cli, task, split, processes, folder, methods_of(choice, groups))
        outcome = Outcome(choice, groups, split)
        for decided in climb([list(group) for group in groups], search.rungs, rungs.evaluate):
            outcome.rungs.append(decided)
            if processes.is_first:
                print_rung(outcome, rungs.comparisons[-1].record, Console())
        if processes.is_first:
            write_outcome(outcome, rungs.comparisons[-1].record, folder.folder, rungs.config_of(outcome.winners))
            print_outcome(outcome, rungs.comparisons[-1].record, folder.folder, Console())
        rungs.close()
        if processes.is_first:
            folder.close()
        processes.wait()


class _Rungs:
    """Each rung is a run of ``eval.py`` with its own folder, and stays resumable until the search is through."""

    def __init__(
        self, cli: EvalCLI, task: Any, split: str, processes: Processes, run: Run, methods: Mapping[str, Method]
    ) -> None:
        self._cli, self._task, self._split = cli, task, split
        self._processes, self._run = processes, run
        self._methods = {BASE: Base(), **methods}
        self.comparisons: list[Comparison] = []

    def evaluate(self, one_in: int, names: Sequence[str]) -> Mapping[str, Contributions]:
        """Evaluate candidates on one in so many videos, and beside them the unreduced model where that is all."""
        methods = {name: self._methods[name] for name in ([BASE] if one_in == 1 else []) + list(names)}
        self._cli.init_args("data").share = 1 / one_in
        self._cli.config.methods = {name: _options(method) for name, method in methods.items()}
        data: Any = self._cli.build_data(self._split)
        run = Run(self._run.folder / f"one_in_{one_in}")
        if self._processes.is_first:
            run.folder.mkdir(exist_ok=True)
            self._cli.save_config(run.folder)
        record = self._cli.new_record(self._task, data, run, choose_baselines(methods))
        comparison = Comparison(run, record, self._processes, methods)
        self._processes.wait()  # for the folder
        comparison.evaluate_all(Subject(self._task, data, len(methods), self._cli.make_trainer, self._processes))
        self.comparisons.append(comparison)
        return self._processes.agree(dict(comparison.contributions))

    def config_of(self, names: Sequence[str]) -> dict[str, Any]:
        """A config that evaluates these candidates beside the unreduced model."""
        methods = {name: _options(self._methods[name]) for name in (BASE, *names)}
        return self._cli.resolved_config() | {"methods": methods, "output": None, "fresh": False}

    def close(self) -> None:
        """Finish the record of each rung."""
        for comparison in self.comparisons:
            comparison.close()


def _check_validation(task: Any, data: Any, split: str) -> None:
    loaders = len(data.evaluation_loaders(Sharing()))
    if loaders < len(task.passes):
        raise UserError(
            f"the {split} split brings {loaders} of the {len(task.passes)} halves that are scored: leave "
            "data.val_annotation out to search on the test split"
        )


def _method(cli: EvalCLI, search: Search) -> Method:
    """The entry of the config, or the method of that name, with options changed."""
    entry = search.choice.entry
    known = dict(cli.config.methods.get(entry) or {"method": entry})
    return build_methods({entry: known | dict(search.options)})[entry]


def _options(method: Method) -> dict[str, Any]:
    """A method as a config writes it."""
    return {} if method.name == BASE else {"method": reference(method), **plain(method.changed_options())}
