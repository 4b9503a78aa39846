"""One run compares: every method on the same module and the same clips."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning import Callback, LightningDataModule, Trainer

from callbacks import ProgressCallback, SpeedCallback, TokenMergeCallback
from vidtldr.errors import UserError
from vidtldr.measuring.flops_counted import encoder_gflops
from vidtldr.merging import Method, apply, build_method, remove
from vidtldr.results.records import Evaluated, MethodResult
from vidtldr.results.report import describe_options
from vidtldr.results.score_tables import ScoreTable, group_of
from vidtldr.results.tensorboard import RunLogger, interrupts_wait
from vidtldr.storage.batch_store import WorkStore

MakeTrainer = Callable[["MethodLogger | bool", list[Callback]], Trainer]
_NO_METRICS = ("epoch",)
_RUN_NAME = re.compile(r"[\w+-][\w.+-]*")


class MethodLogger(RunLogger):
    """A TensorBoard run of one method, beside those of the others under one parent.

    Scalars are written by :meth:`log_result` alone: what Lightning logs along the way would repeat them.

    Args:
        parent: Folder of all methods' runs.
        name: The method's name, and its run's.
        score_tables: Headings of the scores.
    """

    def __init__(self, parent: Path, name: str, score_tables: tuple[ScoreTable, ...]) -> None:
        super().__init__(save_dir=parent, name="", version=name, default_hp_metric=False)
        self._score_tables = score_tables
        self._result_only = True

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Ignore what Lightning logs."""
        if not self._result_only:
            super().log_metrics(dict(metrics), step)

    def log_result(self, result: MethodResult, option_keys: Sequence[str]) -> None:
        """Write scalars and hyperparameters; both have the same keys in every run that is given the same option keys.

        Args:
            result: What to write.
            option_keys: Options of all compared methods.
        """
        options = {key: describe_options({key: value}).partition("=")[2] for key, value in result.options.items()}
        params = {"method": result.name, **{key: options.get(key, "") for key in option_keys}}
        self._result_only = False
        self.log_hyperparams(params, _scalars(result, self._score_tables), step=0)
        self._result_only = True
        self.experiment.flush()

    def finalize(self, status: str) -> None:
        """Flush, but stay open: the result comes after Lightning is through."""
        with interrupts_wait():
            self.experiment.flush()

    def log_report(self, markdown: str) -> None:
        """Write the table of the whole run as text, and close."""
        self.experiment.add_text("report", markdown, 0)
        self.experiment.close()


def build_methods(
    spec: Mapping[str, Mapping[str, Any] | None], chosen: Sequence[str] | None = None
) -> dict[str, Method]:
    """Make the methods of a config.

    Args:
        spec: Options of each method by its name; ``method`` names the rule where the name is not the rule's, or
            ``class_path`` a class of the user's own, such as ``my_module.MyMethod``.
        chosen: Names to take, in this order; None takes all.

    Raises:
        UserError: A name, rule or option is unknown, or none is left; the message lists the legal ones.
    """
    if not spec:
        raise UserError("the config lists no methods: add for instance `methods: {base: {}, vidtldr: {r: [500, 200]}}`")
    names = list(spec) if chosen is None else list(dict.fromkeys(chosen))
    unknown = [name for name in names if name not in spec]
    if unknown or not names:
        raise UserError(f"unknown method '{unknown[0] if unknown else ''}': the config has {', '.join(spec)}")
    if bad := [name for name in names if not _RUN_NAME.fullmatch(name)]:
        raise UserError(f"method name '{bad[0]}' cannot name a TensorBoard run: use letters, digits and . _ + -")
    return {name: _build(name, dict(spec[name] or {})) for name in names}


def check_methods_fit(module: Any, methods: Mapping[str, Method]) -> None:
    """Put every method on once, before time is spent on the first.

    Raises:
        UserError: A schedule is longer than the encoder is deep, or the module has nothing to merge in.
    """
    if not hasattr(module, "vision_encoder"):
        raise UserError(f"{type(module).__name__} has no vision_encoder to merge tokens in")
    for name, method in methods.items():
        try:
            apply(module.vision_encoder, method)
        except ValueError as error:
            raise UserError(f"methods.{name} does not fit: {error}") from error
        finally:
            remove(module.vision_encoder)


def evaluate(
    name: str,
    method: Method,
    module: Any,
    datamodule: LightningDataModule,
    *,
    make_trainer: MakeTrainer,
    logger: MethodLogger | bool,
    work: WorkStore | None = None,
) -> MethodResult:
    """Evaluate the module under one method.

    Args:
        name: The method's name in table and progress.
        method: What to apply.
        module: A task: a UnitTask with ``vision_encoder``, ``example_clip()`` and ``stages``; unchanged afterwards, but
            for its ``samples``. One with ``num_seeds`` checkpoints is tested with each, and logs what it averages over
            them.
        datamodule: Has ``coverage``, ``counts()`` and ``num_clips``.
        make_trainer: Gives a Trainer for this logger and these callbacks.
        logger: Handed to the Trainer; the result is not written to it yet.
        work: Where what is worked out is kept; what is there already is not done again.
    """
    speed = SpeedCallback()
    trainer = make_trainer(logger, [TokenMergeCallback(method), speed, ProgressCallback(name, module.stages)])
    module.to(trainer.strategy.root_device)
    module.work = work
    gflops = encoder_gflops(module.vision_encoder, method=method, example=module.example_clip())
    for seed in range(getattr(module, "num_seeds", 1)):
        if hasattr(module, "use_seed"):
            module.use_seed(seed)
        trainer.test(module, datamodule=datamodule, verbose=False)
    metrics = {key: float(value) for key, value in trainer.callback_metrics.items() if key not in _NO_METRICS}
    assert speed.speed is not None  # set at the end of a test
    return MethodResult(name, method, gflops, metrics, speed.speed, _evaluated(datamodule))


def _build(name: str, options: dict[str, Any]) -> Method:
    rule = options.pop("class_path", None) or options.pop("method", name)
    try:
        return build_method(rule, **options)
    except (ValueError, TypeError) as error:
        raise UserError(f"methods.{name}: {error}") from error


def _evaluated(datamodule: Any) -> Evaluated:
    coverage = datamodule.coverage
    return Evaluated(
        videos=coverage.evaluated,
        videos_total=coverage.total,
        counts=datamodule.counts(),
        missing=tuple(coverage.missing),
        broken=tuple(coverage.broken),
    )


def _scalars(result: MethodResult, tables: tuple[ScoreTable, ...]) -> dict[str, float]:
    scalars = {f"{group_of(key, tables)}/{key}": value for key, value in result.metrics.items()}
    scalars["cost/gflops"] = result.gflops
    scalars["cost/peak_memory_bytes"] = float(result.speed.peak_memory_bytes)
    scalars["cost/seconds"] = result.speed.seconds
    scalars["speed/encoder_clips_per_second"] = result.speed.encoder_clips_per_second or 0.0
    scalars["speed/end_to_end_clips_per_second"] = result.speed.end_to_end_clips_per_second or 0.0
    return scalars
