"""``eval.py``: from a config to a table."""

import datetime
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning import Callback, Trainer
from rich.console import Console

from datamodules.clips.decoder import BrokenVideoError
from vidtldr.cli.argv import SWEEP_OPTION, choose_methods, join_baselines, split_method_options, split_repeated
from vidtldr.cli.options import EVALUATION
from vidtldr.cli.pairs import check_pairs, choose_pairs, known_pairs
from vidtldr.cli.parser import ProjectCLI
from vidtldr.cli.sweeps import Sweep, expand_sweeps
from vidtldr.errors import UserError
from vidtldr.evaluation.comparison import Comparison
from vidtldr.evaluation.methods import build_methods, check_methods_fit
from vidtldr.evaluation.one_method import Subject
from vidtldr.evaluation.pictures import check_pictures_fit
from vidtldr.evaluation.processes import Processes, started_by_launcher, strategy_for
from vidtldr.evaluation.run_folder import Run, fingerprint
from vidtldr.results.differences import choose_baselines
from vidtldr.results.paper import PaperRow
from vidtldr.results.records import RunRecord, device_name, versions
from vidtldr.results.report import print_report
from vidtldr.results.tensorboard import MethodLogger

_log = logging.getLogger(__name__)
_WHOLE_RUN = {"limit_test_batches": None, "fast_dev_run": False, "overfit_batches": 0.0, "barebones": False}
"""Trainer options that would score a part as if it were the whole, with the values that do not."""


def main(argv: Sequence[str]) -> None:
    """Run ``eval.py`` with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    cli = EvalCLI(argv)
    methods = build_methods(cli.config.methods, cli.config.only)
    baselines = choose_baselines(methods, cli.config.baseline or ())
    cli.check_trainer()
    datamodule: Any = cli.build_data("test")
    module: Any = cli.build_model()
    check_methods_fit(module, methods)
    if cli.config.pictures:
        check_pictures_fit(module, datamodule)
    if cli.init_args("model").get("checkpoint") is None:
        _log.warning("the model's weights are random: --model.checkpoint FILE loads trained ones")
    with in_sentences(cli), Processes(cli.make_trainer(False, [])) as processes:
        run = cli.open_run(module, datamodule, processes)
        record = cli.new_record(module, datamodule, run, baselines)
        comparison = Comparison(run, record, processes, methods)
        subject = Subject(module, datamodule, len(methods), cli.make_trainer, processes)
        comparison.evaluate_all(subject)
        if cli.config.pictures:
            comparison.draw(cli.config.pictures, subject)
        comparison.close()
    if processes.is_first:
        print_report(comparison.record, Console())


class EvalCLI(ProjectCLI):
    """The options of ``eval.py``."""

    def __init__(self, argv: Sequence[str]) -> None:
        argv, sweeps = split_repeated(argv, SWEEP_OPTION)
        argv, changes = split_method_options(argv)
        super().__init__(EVALUATION, join_baselines(choose_methods(argv)))
        for key in ("only", "baseline"):
            if isinstance(names := self.config[key], str):
                self.config[key] = [name.strip() for name in names.split(",")]
        self._choose_pairs()
        self._change_methods(changes)
        self._sweep(sweeps)
        self._apply_data_shortcuts()

    def check_trainer(self) -> None:
        """Refuse trainer options that cannot be met, or that would make the numbers mean something else.

        Raises:
            UserError: As said.
        """
        options = self.config.trainer
        for key, harmless in _WHOLE_RUN.items():
            if options[key] != harmless:
                raise UserError(f"trainer.{key} would skip videos without saying so: use --limit N")
        if options.logger not in (None, True):
            raise UserError("trainer.logger cannot be set: TensorBoard runs are written to --output")
        self.make_trainer(False, [])

    def make_trainer(self, logger: MethodLogger | bool, callbacks: list[Callback]) -> Trainer:
        """A Trainer with the config's options and nothing that draws or saves by itself; see ``new_trainer``."""
        options = self.config.trainer
        devices, num_nodes = started_by_launcher() or (options.devices, options.num_nodes)
        return self.new_trainer(
            callbacks,
            devices=1 if devices == "auto" else devices,
            num_nodes=num_nodes,
            strategy=strategy_for(devices, num_nodes) if options.strategy == "auto" else options.strategy,
            logger=logger,
            use_distributed_sampler=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    def open_run(
        self, module: Any, datamodule: Any, processes: Processes, *, within: str = "", **causes: object
    ) -> Run:
        """The folder of this run, the same for all processes.

        Args:
            module: The task.
            datamodule: The data.
            processes: All of them.
            within: Folder between the config's and the run's, for runs of another kind.
            causes: What decides the numbers beside config, weights, data and versions.

        Raises:
            UserError: It cannot be written, or not be seen by all processes.
        """
        parent = Path(self.config.output or Path("outputs") / self.config_name / within)
        run = None
        if processes.is_first:
            cause = fingerprint(
                self.resolved_config(),
                checkpoint=getattr(module, "checkpoint_sha256", None),
                data=datamodule.fingerprint(),
                versions=versions(),
                **causes,
            )
            run = Run.open(parent, cause, fresh=self.config.fresh)
            self.save_config(run.folder)
        folder = processes.agree(run.folder.resolve() if run else Path())
        run = run or Run(folder)  # the first process's own holds the lock
        run.see()
        return run

    def new_record(self, module: Any, datamodule: Any, run: Run, baselines: list[str]) -> RunRecord:
        """Start the record of a run."""
        trainer = self.make_trainer(False, [])
        return RunRecord(
            config_name=self.config_name,
            config=self.resolved_config(),
            device=device_name(trainer.strategy.root_device),
            precision=str(trainer.precision),
            precision_asked=str(self.config.trainer.precision or trainer.precision),
            checkpoint=self.init_args("model").get("checkpoint"),
            checkpoint_sha256=getattr(module, "checkpoint_sha256", None),
            started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            run_dir=run.folder,
            score_tables=module.score_tables,
            score_note=module.score_note,
            decoder=datamodule.decoder_version,
            resizing=datamodule.resizing,
            baselines=baselines,
        )

    def _choose_pairs(self) -> None:
        """Take the schedules of one pre-training, and check the row of the paper."""
        paper = PaperRow(**self.config.paper) if self.config.get("paper") else None
        if paper is not None:
            paper.check()
        by_pairs = known_pairs(self.config.methods)
        known = by_pairs or (paper.known_pairs() if paper else [])
        self.config.pairs = check_pairs(self.config.pairs, known, needed=bool(by_pairs))
        self.config.methods = choose_pairs(self.config.methods, self.config.pairs)

    def _change_methods(self, changes: Sequence[tuple[str, str, str]]) -> None:
        # Not by jsonargparse, which would replace all options of a method by the one that is given.
        methods = {name: dict(options or {}) for name, options in self.config.methods.items()}
        for name, option, value in changes:
            try:
                methods.setdefault(name, {})[option] = yaml.safe_load(value)
            except yaml.YAMLError as error:
                raise UserError(f"--methods.{name}.{option}: {value!r} cannot be read as YAML") from error
        self.config.methods = methods

    def _sweep(self, texts: Sequence[str]) -> None:
        """Put methods into the place of those that are swept: the config that is kept lists them one by one."""
        in_config = self.config.sweep or []
        texts = [*([in_config] if isinstance(in_config, str) else in_config), *texts]
        expanded = expand_sweeps(self.config.methods, [Sweep.parse(text) for text in texts])
        self.config.methods = {name: options for entry in expanded.values() for name, options in entry.items()}
        if self.config.only is not None:
            self.config.only = [name for entry in self.config.only for name in expanded.get(entry, [entry])]
        self.config.sweep = None

    def _apply_data_shortcuts(self) -> None:
        wanted = {} if self.config.limit is None else {"limit": self.config.limit}
        wanted |= {"strict": True, "missing": "error"} if self.config.strict else {}
        for key, value in wanted.items():
            if key not in self.init_args("data"):
                raise UserError(f"--limit and --strict need an option {key}, which {self.config.data.class_path} lacks")
            self.init_args("data")[key] = value


@contextmanager
def in_sentences(cli: EvalCLI) -> Iterator[None]:
    """Errors of a run that the user can mend, in a sentence."""
    try:
        yield
    except BrokenVideoError as error:
        raise UserError(str(error)) from error
    except torch.OutOfMemoryError as error:
        batch_size = cli.init_args("data").get("batch_size")
        raise UserError(f"the device ran out of memory with data.batch_size={batch_size}: use a smaller one") from error
