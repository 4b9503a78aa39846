"""Datasets, named by class path in a config: ``datamodules.MSVD``.

They are imported when asked for: the demo generator, which lives below, starts worker processes that need neither
torch nor Lightning.
"""

from importlib import import_module

_HOMES = {"Demo": ".demo.datamodule", "MSRVTT": ".msrvtt", "MSVD": ".msvd"}

__all__ = ["MSRVTT", "MSVD", "Demo"]


def __getattr__(name: str) -> type:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
