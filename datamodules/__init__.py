"""Datasets, named by class path in a config: ``datamodules.MSVD``.

They are imported when asked for: the demo generator, which lives below, starts worker processes that need neither
torch nor Lightning.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "ActivityNet": ".datasets.activitynet",
    "DiDeMo": ".datasets.didemo",
    "HMDB51": ".datasets.hmdb51",
    "Kinetics400": ".datasets.kinetics",
    "Kinetics600": ".datasets.kinetics",
    "Kinetics700": ".datasets.kinetics",
    "LSMDC": ".datasets.lsmdc",
    "MSRVTT": ".datasets.msrvtt",
    "MSRVTTQA": ".datasets.msrvtt",
    "MSVD": ".datasets.msvd",
    "MSVDQA": ".datasets.msvd",
    "SSv2": ".datasets.ssv2",
    "SSv2Label": ".datasets.ssv2",
    "SSv2Template": ".datasets.ssv2",
    "UCF101": ".datasets.ucf101",
    "Demo": ".demo.datamodules.retrieval",
    "DemoBaseToNovel": ".demo.datamodules.base_to_novel",
    "DemoRecognition": ".demo.datamodules.recognition",
    "DemoVQA": ".demo.datamodules.question_answering",
    "UCF101BaseToNovel": ".datasets.ucf101",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
