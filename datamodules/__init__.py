"""Datasets, named by class path in a config: ``datamodules.MSVD``."""

from .msrvtt import MSRVTT
from .msvd import MSVD

__all__ = ["MSRVTT", "MSVD"]
