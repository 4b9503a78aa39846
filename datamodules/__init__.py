"""Datasets, named by class path in a config: ``datamodules.MSVD``.

They are imported when asked for: the demo generator, which lives below, starts worker processes that need neither
torch nor Lightning.
"""

from importlib import import_module

_HOMES = {
    "MSRVTT": ".msrvtt",
    "MSVD": ".msvd",
    "SSv2": ".ssv2",
    "UCF101": ".ucf101",
    "Demo": ".demo.datamodule",
    "DemoBaseToNovel": ".demo.base2novel",
    "DemoRecognition": ".demo.recognition",
    "UCF101BaseToNovel": ".base_to_novel",
}

__all__ = ["MSRVTT", "MSVD", "UCF101", "Demo", "DemoBaseToNovel", "DemoRecognition", "SSv2", "UCF101BaseToNovel"]


def __getattr__(name: str) -> type:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
