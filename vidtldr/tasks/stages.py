"""Long loops inside a task, made visible to the callbacks that show progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lightning import Trainer


@contextmanager
def stage(trainer: Trainer, name: str, total: int) -> Iterator[Callable[[], None]]:
    """A loop of so many steps; what it gives tells the Trainer's callbacks that one more is done.

    A callback listens by having ``on_stage_start(name, total)``, ``on_stage_advance()`` and ``on_stage_end()``.
    """
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    listeners = [callback for callback in callbacks if hasattr(callback, "on_stage_start")]

    def advance() -> None:
        for listener in listeners:
            listener.on_stage_advance()

    for listener in listeners:
        listener.on_stage_start(name, total)
    try:
        yield advance
    finally:
        for listener in listeners:
            listener.on_stage_end()
