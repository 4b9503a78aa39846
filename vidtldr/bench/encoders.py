"""What the bench runs: the encoder of a config with random weights and pixels, under each method and backend."""

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor

from vidtldr.cli.entry import user_errors
from vidtldr.cli.inheritance import read_config
from vidtldr.cli.paths import find_config
from vidtldr.cli.sentences import import_class
from vidtldr.errors import UserError
from vidtldr.evaluation.methods import build_methods
from vidtldr.measuring.flops_analytic import Tower, analytic_gflops
from vidtldr.measuring.memory import peak_above
from vidtldr.merging import Method, merging
from vidtldr.merging.attention.backends import Backend, attention_backend
from vidtldr.models.backbone import ClipEncoder
from vidtldr.models.registry import CLIP_SETTINGS, build_encoder

# glibc keeps freed memory for later unless it came from a mapping of its own. Naming the size from which it does, its
# own default, also keeps it from raising that size at run time: then resident memory follows the live tensors.
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**17), "MALLOC_TRIM_THRESHOLD_": str(2**17)}


@dataclass(frozen=True)
class Candidate:
    """A method computed with one attention backend.

    Attributes:
        name: Of the method in the config.
        backend: Attention backend.
        method: What is applied.
        gflops: Of one clip.
    """

    name: str
    backend: Backend
    method: Method
    gflops: float

    @property
    def label(self) -> str:
        """What to call it."""
        return self.name if self.method.name == "base" else f"{self.name} [{self.backend}]"


@dataclass(frozen=True)
class Workload:
    """What a candidate runs on; small enough to send to another process.

    Attributes:
        config: Name or path of a config.
        backends: Attention backends that each method is computed with.
        batch_size: Clips at a time.
        device: Where.
        dtype: Of weights and pixels.
        compiled: Whether the encoder goes through ``torch.compile``.
    """

    config: str
    backends: tuple[Backend, ...] = ("auto",)
    batch_size: int = 1
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    compiled: bool = False

    def load(self) -> "Loaded":
        """Build the encoder and list the candidates.

        Raises:
            UserError: The config names no model or no methods, or one that does not exist.
        """
        methods, encoder = _of_config(self.config)
        encoder.module.to(self.device, self.dtype).eval()
        tower = Tower.of(encoder.module, num_images=encoder.images_per_clip)
        fused: tuple[Backend, ...] = ("auto",)  # base is timed once: no method touches its attention
        candidates = [
            Candidate(name, backend, method, analytic_gflops(tower, method))
            for name, method in methods.items()
            for backend in (fused if method.name == "base" else self.backends)
        ]
        clips = encoder.blank_clips(self.batch_size).normal_(generator=torch.Generator(self.device).manual_seed(0))
        forward: Any = torch.compile(encoder.module) if self.compiled else encoder.module
        return Loaded(candidates, encoder, forward, clips)


@dataclass(frozen=True)
class Loaded:
    """A workload in memory.

    Attributes:
        candidates: What is compared; the first is what the others are compared with.
        encoder: With random weights.
        forward: The encoder, or what compiling made of it.
        clips: Random pixels.
    """

    candidates: list[Candidate]
    encoder: ClipEncoder
    forward: Callable[[Tensor], Any]
    clips: Tensor

    def run(self, candidate: Candidate) -> Callable[[], Any]:
        """One forward pass under a candidate, as something to call; it returns what the encoder does."""

        def run() -> Any:
            module = self.encoder.module
            with torch.inference_mode(), merging(module, candidate.method), attention_backend(candidate.backend):
                return self.forward(self.clips)

        return run


def activation_peaks(workload: Workload, count: int, *, on_done: Callable[[], None] = lambda: None) -> list[int]:
    """Peak memory of a second forward pass above what was taken before it, in bytes, for each candidate.

    On a CPU each runs in a process of its own, whose allocator gives memory back at once, so that neither what ran
    before nor what the allocator keeps counts.

    Args:
        workload: What runs.
        count: How many candidates it has.
        on_done: Called after each.
    """
    if torch.device(workload.device).type == "cuda":
        loaded = workload.load()
        return [_peak(loaded, index, on_done) for index in range(count)]
    peaks = []
    with _environment(_ALLOCATOR):
        for index in range(count):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                peaks.append(process.submit(_peak_here, workload, index, torch.get_num_threads()).result())
            on_done()
    return peaks


def _peak_here(workload: Workload, index: int, num_threads: int) -> int:
    torch.set_num_threads(num_threads)
    return _peak(workload.load(), index)


def _peak(loaded: Loaded, index: int, on_done: Callable[[], None] = lambda: None) -> int:
    run = loaded.run(loaded.candidates[index])
    run()
    peak = peak_above(run, loaded.clips.device)
    on_done()
    return peak


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def model_section(config: str) -> dict[str, Any]:
    """What a config says of its model: ``class_path`` and ``init_args``.

    Raises:
        UserError: It names no model.
    """
    model = read_config(find_config(config)).get("model")
    if not model or "class_path" not in model:
        raise UserError(f"{config} names no model or no methods to compare")
    return model


def model_settings(model: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The arguments of these names that a config's model is built with, its defaults included."""
    parameters = inspect.signature(import_class(model["class_path"])).parameters
    settings = {key: parameters[key].default for key in names if key in parameters}
    return settings | {key: value for key, value in model.get("init_args", {}).items() if key in settings}


def _of_config(name: str) -> tuple[dict[str, Method], ClipEncoder]:
    model, methods = model_section(name), read_config(find_config(name)).get("methods")
    if methods is None:
        raise UserError(f"{name} names no model or no methods to compare")
    with user_errors(ValueError):
        return build_methods(methods), build_encoder(**model_settings(model, ("backbone", *CLIP_SETTINGS)))
