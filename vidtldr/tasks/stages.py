"""Long loops inside a task, made visible to the callbacks that show progress."""

from types import TracebackType
from typing import Any

from lightning import Trainer


class Stage:
    """Tells every callback that listens how far a loop has come.

    A callback listens by having ``on_stage_start(name, total)``, ``on_stage_advance(n)`` and ``on_stage_end()``.

    Args:
        trainer: Its callbacks are told.
        name: What the loop does, for people.
        total: Steps of the loop.
    """

    def __init__(self, trainer: Trainer, name: str, total: int) -> None:
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        self._listeners = [callback for callback in callbacks if hasattr(callback, "on_stage_start")]
        self._name, self._total = name, total

    def __enter__(self) -> "Stage":
        for listener in self._listeners:
            listener.on_stage_start(self._name, self._total)
        return self

    def advance(self, steps: int = 1) -> None:
        """Report ``steps`` more steps done."""
        for listener in self._listeners:
            listener.on_stage_advance(steps)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self._listeners:
            listener.on_stage_end()
