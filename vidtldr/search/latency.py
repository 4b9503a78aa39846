"""Which schedules are as fast as a budget asks, measured in the way of the bench: by turns, on this device."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from lightning import Trainer

from callbacks import ProgressCallback
from vidtldr.errors import UserError
from vidtldr.measuring.timing import interleaved
from vidtldr.merging import Base, Method, merging
from vidtldr.search.candidates import Candidate, Candidates
from vidtldr.tasks.base import AnyTask

Measure = Callable[[Mapping[str, Method]], Mapping[str, float]]
"""From methods to the milliseconds that the encoder takes for a clip under each."""

BASE = "base"
_PROBES = 8  # schedules from dear to cheap that tell how many GFLOPs a time buys
_ROUNDS = 5


def stopwatch(task: AnyTask, trainer: Trainer, batch_size: int) -> Measure:
    """Measure the vision encoder alone, on a batch of noise, in the trainer's precision.

    Args:
        task: Holds the encoder.
        trainer: Says where and in which precision.
        batch_size: Clips at a time.
    """
    device = trainer.strategy.root_device
    trainer.precision_plugin.convert_module(task.to(device).eval())  # as a test would
    encoder = task.vision_encoder
    clips = torch.cat([task.example_clip()] * batch_size).normal_(generator=torch.Generator(device).manual_seed(0))

    def measure(methods: Mapping[str, Method]) -> Mapping[str, float]:
        progress = ProgressCallback()
        progress.on_stage_start("measure latency", (1 + _ROUNDS) * len(methods))

        def once(method: Method) -> Callable[[], object]:
            def run() -> object:
                with torch.inference_mode(), trainer.precision_plugin.forward_context(), merging(encoder, method):
                    return encoder(clips)

            return run

        runs = {name: once(method) for name, method in methods.items()}
        timings = interleaved(runs, rounds=_ROUNDS, device=device, on_run=progress.on_stage_advance)
        progress.on_stage_end()
        progress.close()
        return {name: 1000 * timing.median_seconds / batch_size for name, timing in timings.items()}

    return measure


def gflops_for(milliseconds: Callable[[float], float], listed: Sequence[Candidates], measure: Measure) -> float:
    """The GFLOPs at which schedules take as long as a budget allows.

    A schedule's time is not known before it is measured; its GFLOPs are, and time grows with them. So a few schedules
    from cheap to dear are measured, and read between.

    Args:
        milliseconds: From what base takes to what is allowed.
        listed: All schedules.
        measure: See :func:`stopwatch`.

    Raises:
        UserError: None is that fast.
    """
    candidates = listed[0]
    order = np.argsort(candidates.gflops, kind="stable")
    places = order[np.linspace(0, len(order) - 1, min(_PROBES, len(order))).round().astype(int)]
    probes = {str(place): candidates[place] for place in places.tolist()}
    taken = measure({BASE: Base(), **{name: probe.method for name, probe in probes.items()}})
    budget = milliseconds(taken[BASE])
    times = np.maximum.accumulate([taken[name] for name in probes])  # noise must not turn the order round
    if budget < times[0]:
        raise UserError(
            f"none keeps to {budget:.3g} ms a clip: the cheapest schedule takes {times[0]:.3g}, base {taken[BASE]:.3g}"
        )
    return float(np.interp(budget, times, [probe.gflops for probe in probes.values()]))


def fast_enough(
    picks: Sequence[Candidate], milliseconds: Callable[[float], float], count: int, measure: Measure
) -> dict[Method, float]:
    """Those that keep to the budget when they are measured, at most so many, with what each takes for a clip.

    Raises:
        UserError: None does.
    """
    taken = measure({BASE: Base(), **{str(number): pick.method for number, pick in enumerate(picks)}})
    budget = milliseconds(taken[BASE])
    kept = {pick.method: taken[str(number)] for number, pick in enumerate(picks) if taken[str(number)] <= budget}
    if not kept:
        raise UserError(f"of {len(picks)} schedules none keeps to {budget:.3g} ms a clip: try a larger --slack")
    places = np.unique(np.linspace(0, len(kept) - 1, count).round().astype(int)).tolist()
    return {method: kept[method] for method in (list(kept)[place] for place in places)}
