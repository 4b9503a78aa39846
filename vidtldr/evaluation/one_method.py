"""One run compares: every method on the same model and the same clips."""

from collections.abc import Callable
from dataclasses import dataclass

from lightning import Callback, Trainer

from callbacks import ProgressCallback, SpeedCallback, TokenMergeCallback
from datamodules.contract import EvaluationData
from datamodules.loading.sharding import Sharing
from vidtldr.evaluation.processes import Processes
from vidtldr.measuring.flops_counted import encoder_cost
from vidtldr.merging import Method
from vidtldr.results.records import Evaluated, MethodResult
from vidtldr.results.samples import Sample
from vidtldr.results.tensorboard import MethodLogger
from vidtldr.storage.batch_store import BatchStore
from vidtldr.tasks.base import AnyTask
from vidtldr.tasks.outputs import KeptOutputs

MakeTrainer = Callable[["MethodLogger | bool", list[Callback]], Trainer]


@dataclass(frozen=True)
class Subject:
    """What is evaluated, the same for all methods.

    Attributes:
        task: The model and its task; unchanged by an evaluation.
        data: What it is evaluated on, set up for a test.
        num_methods: How many methods will be evaluated: with several, decoded clips are kept.
        make_trainer: Gives a Trainer for a logger and callbacks.
        processes: Those that share the work.
    """

    task: AnyTask
    data: EvaluationData
    num_methods: int
    make_trainer: MakeTrainer
    processes: Processes


def evaluate(
    name: str, method: Method, subject: Subject, *, logger: MethodLogger | bool, store: BatchStore
) -> tuple[MethodResult, list[Sample]]:
    """Evaluate a model under one method, with each of its seeds.

    Args:
        name: The method's name in table and progress.
        method: What to apply.
        subject: The model and the data.
        logger: Handed to the Trainer; the result is not written to it yet.
        store: Where what comes out is kept; what is there already is not done again.

    Returns:
        The result, and on the first process what came out for each sample.
    """
    task, data, processes = subject.task, subject.data, subject.processes
    outputs, speed = KeptOutputs(store, data), SpeedCallback(data)
    progress = ProgressCallback(name, tuple(each.caption for each in task.passes))
    trainer = subject.make_trainer(logger, [TokenMergeCallback(method), speed, progress, outputs])
    task.to(trainer.strategy.root_device)
    cost = encoder_cost(task.vision_encoder, method=method, example=task.example_clip())
    for seed in range(task.num_seeds):
        task.use_seed(seed)
        finished = outputs.finished(task.passes, processes.agree)
        keep_clips = subject.num_methods * task.num_seeds > 1
        sharing = Sharing(processes.rank, processes.world_size, finished, keep_clips)
        trainer.test(task, dataloaders=data.evaluation_loaders(sharing), verbose=False)
    assert outputs.scores is not None  # set, as the speed is, at the end of a test
    assert speed.speed is not None
    metrics = {key: float(value.float()) for key, value in outputs.scores.metrics.items()}
    layers = cost.gflops_per_layer, cost.tokens_per_layer
    return MethodResult(name, method, cost.gflops, metrics, speed.speed, _evaluated(data), *layers), outputs.samples


def _evaluated(data: EvaluationData) -> Evaluated:
    coverage = data.coverage
    return Evaluated(
        videos=coverage.evaluated,
        videos_total=coverage.total,
        counts=data.counts(),
        missing=tuple(coverage.missing),
        broken=tuple(coverage.broken),
    )
