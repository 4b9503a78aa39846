"""Datasets, named by class path in a config: ``datamodules.MSVD``.

They are imported when asked for: the demo generator, which lives below, starts worker processes that need neither
torch nor Lightning.
"""

from importlib import import_module

_HOMES = {
    "ActivityNet": ".activitynet",
    "DiDeMo": ".didemo",
    "LSMDC": ".lsmdc",
    "MSRVTT": ".msrvtt",
    "MSRVTTQA": ".msrvtt_qa",
    "MSVD": ".msvd",
    "MSVDQA": ".msvd_qa",
    "SSv2": ".ssv2",
    "SSv2Label": ".ssv2_retrieval",
    "SSv2Template": ".ssv2_retrieval",
    "UCF101": ".ucf101",
    "Demo": ".demo.datamodule",
    "DemoBaseToNovel": ".demo.base2novel",
    "DemoRecognition": ".demo.recognition",
    "DemoVQA": ".demo.vqa",
    "UCF101BaseToNovel": ".base_to_novel",
}

__all__ = [
    "LSMDC",
    "MSRVTT",
    "MSRVTTQA",
    "MSVD",
    "MSVDQA",
    "UCF101",
    "ActivityNet",
    "Demo",
    "DemoBaseToNovel",
    "DemoRecognition",
    "DemoVQA",
    "DiDeMo",
    "SSv2",
    "SSv2Label",
    "SSv2Template",
    "UCF101BaseToNovel",
]


def __getattr__(name: str) -> type:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
