"""The LightningModules, one per task, named by class path in a config: ``vidtldr.tasks.ActionRecognition``.

They are imported when asked for: each brings libraries (open_clip alone takes seconds) that the others do not need.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "ActionRecognition": ".recognition",
    "BaseToNovel": ".base_to_novel",
    "DualEncoderRetrieval": ".retrieval.dual",
    "VideoQuestionAnswering": ".question_answering",
    "VideoTextRetrieval": ".retrieval",
    "ZeroShotRecognition": ".zero_shot_recognition",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
